// Shows what is new once a second. Without it the page is whole too, and loads itself anew.
(() => {
  'use strict';
  const silence = 5000; // milliseconds until the connection counts as lost
  const lost = document.getElementById('lost');
  let heard = Date.now();

  // show replaces the parts that have changed, and keeps the focus and what is unfolded.
  const show = (id, html) => {
    const part = document.getElementById(id);
    if (!part) return;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : '';
    const open = [...part.querySelectorAll('details[open]')].map(d => d.id);
    part.innerHTML = html;
    open.forEach(id => document.getElementById(id)?.setAttribute('open', ''));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const listen = () => {
    const source = new EventSource(document.body.dataset.events);
    source.onmessage = message => {
      const said = JSON.parse(message.data);
      heard = Date.now();
      lost.hidden = true;
      document.title = said.title;
      document.body.dataset.tone = said.tone;
      document.body.classList.remove('old');
      Object.entries(said.parts).forEach(([id, html]) => show(id, html));
    };
    source.onerror = () => { // the browser tries again by itself, unless the server refuses
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    };
  };

  setInterval(() => {
    if (Date.now() - heard < silence || !lost.hidden) return;
    lost.textContent = 'Connection lost. This is how it was at ' + document.querySelector('#asof b').textContent + '.';
    lost.hidden = false;
    document.body.classList.add('old');
  }, 500);
  listen();
})();
