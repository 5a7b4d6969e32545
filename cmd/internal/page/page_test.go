package page

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cohort/cmd/internal/markup"
	"cohort/cmd/internal/markup/browsertest"
	"cohort/cmd/internal/metrics"
	"cohort/cmd/internal/status"
	"cohort/engine/ledger"
	"cohort/ingest/person"
)

// world has runs that a test changes while a site shows them.
type world struct {
	mu   sync.Mutex
	runs []*status.Run
}

func (w *world) list(context.Context) (*status.Runs, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := &status.Runs{Folder: "/srv/cohort/runs", Runs: slices.Clone(w.runs)}
	for _, r := range w.runs {
		if len(r.Waits) > 0 || r.Problem != "" {
			all.Waiting++
		}
	}
	return all, nil
}

func (w *world) set(runs ...*status.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs = runs
}

// siteOf serves a site with the one run, or with all of them.
func siteOf(t *testing.T, one bool, runs ...*status.Run) (*Site, *httptest.Server, *world) {
	t.Helper()
	w := &world{runs: runs}
	site := newSite(w.list, one)
	site.delivery = func(string) *metrics.Delivery {
		return &metrics.Delivery{
			Status:  map[[2]string]int64{{"delivered", "nhsapp"}: 812_377, {"delivered", "sms"}: 200_000, {"failed", "sms"}: 9_120, {"pending", "none"}: 41_915},
			Overdue: map[string]int64{"sms": 12, "none": 3}, Unknown: 620_000,
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { site.handler().ServeHTTP(w, r) }))
	site.hosts = hostsOf(server.Listener.Addr().(*net.TCPAddr))
	server.Start()
	t.Cleanup(server.Close)
	return site, server, w
}

// A browser shows each state at two widths without a message on its console, without a foreign request, and without a
// barrier that axe-core finds. COHORT_SHOTS is a folder for pictures.
func TestAPersonReadsThePages(t *testing.T) {
	b := browsertest.New(t)
	show := func(name, address, home string) {
		for _, width := range []int64{1280, 375} {
			b.Open(t, address, home, width, 800)
			if wrong := b.Wrong(t); len(wrong) > 0 {
				t.Errorf("%s, %d wide: %s", name, width, strings.Join(wrong, "\n"))
			}
			b.Shoot(t, fmt.Sprintf("%s-%d", name, width))
		}
	}
	var all []*status.Run
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		_, server, _ := siteOf(t, true, cases[name]())
		show(name, server.URL, server.URL)
		r := cases[name]()
		r.RunID += name
		r.Title = "Flu reminder, " + name
		all = append(all, r)
	}
	_, server, _ := siteOf(t, false, all...)
	show("runs", server.URL, server.URL)
	show("run-of-many", server.URL+"/run/"+all[0].RunID+"/", server.URL)
	show("runbook", server.URL+"/runbooks/died", server.URL)
	show("runbook-of-run", server.URL+"/run/"+all[0].RunID+"/runbooks/died", server.URL)
	_, server, _ = siteOf(t, false)
	show("no-runs", server.URL, server.URL)
	site, server, _ := siteOf(t, true, sending())
	site.addLevers()
	show("levers-run", server.URL+"/?token="+site.levers.token, server.URL)
	show("levers", server.URL+"/levers", server.URL)
}

// Each page is whole without a script: it has the state, the whole account and what to do, and loads itself anew.
func TestAPageIsWholeWithoutAScript(t *testing.T) {
	for name, want := range map[string][]string{
		"sending":         {"<title>Sending: flu-reminder-2026-11</title>", "Done at about 21:31, if nothing comes in between.", "<b>Nothing.</b> It goes on by itself.", "1,683,412", "156,212", "59.1 a second", "even rate 59.1 a second", "half within 180 ms, 99% within 1.4 s", "booking line staffed again", "429 CM_QUOTA", "Delivered, NHS App", "812,377", "Without a last word for too long</th><td class=\"n\">15<"},
		"will-remain":     {"412,000 messages will remain at 21:59.", `href="/runbooks/will-not-finish"`, "Look into it."},
		"waiting-window":  {"Window closed at 21:59; opens again ", "Waiting for the window"},
		"waiting-service": {"NHS Notify asked for quiet; next try 23:58:07.", `href="/runbooks/token-failing"`},
		"paused":          {"Paused by m.castell: booking line is down.", "Go on by 14:39", "cohort continue " + folder, `href="/runbooks/paused-or-held"`},
		"halted":          {"<title>Halted: ", "More than 10 % of the latest 2000 messages were refused", "Go on by 14:14", "cohort resume " + folder, "cohort decide " + folder},
		"died":            {"Process 48213 on sender-a is gone and left no word. It is safe to go on.", "cohort resume " + folder},
		"in-doubt":        {"See what can be decided:", "1,180 messages are in doubt, and no replay settles them."},
		"finished":        {"Every record has its final fate.", "within 8 h 12 min"},
		"preparing":       {"It reads the cohort and seals the plan.", "<b>Wait.</b>"},
		"one":             {"The one record", "1 person is left to send to.", "Go on:"},
		"unreadable":      {"Cannot be read", "wrong checksum"},
	} {
		_, server, _ := siteOf(t, true, cases[name]())
		text := string(get(t, server.URL, http.StatusOK))
		for _, want := range append(want, `<noscript><meta http-equiv="refresh"`) {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in %s", name, want, text[strings.Index(text, "<body"):])
			}
		}
		if found := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<img|<iframe|<form|https?://[^<]*"`).FindString(text); found != "" {
			t.Errorf("%s: it has %q", name, found)
		}
	}
}

// What there is not is not shown: another run, a path for a run, a runbook of no name.
func TestWhatIsNotThere(t *testing.T) {
	_, server, _ := siteOf(t, false, sending())
	for _, path := range []string{"/run/0123/", "/run/..%2f..%2fetc/", "/run/0123/events", "/runbooks/nothing", "/runbooks/..%2frunbooks.go", "/levers", "/srv"} {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		if _ = answer.Body.Close(); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d, %.100q", path, answer.StatusCode, text)
		}
	}
}

// The account of each case adds up, so the pages above show what they say.
func TestTheCasesAddUp(t *testing.T) {
	for name, r := range cases {
		if s := r().Status; s != nil && s.Fates != nil {
			if err := (ledger.Account{Records: s.Records, Fates: s.Fates}).Check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func get(t *testing.T, address string, want int) []byte {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		t.Fatalf("%s: %d, %v: %s", address, answer.StatusCode, err, text)
	}
	for name, want := range map[string]string{
		"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; ",
	} {
		if !strings.HasPrefix(answer.Header.Get(name), want) {
			t.Errorf("%s: %s is %q", address, name, answer.Header.Get(name))
		}
	}
	return text
}

// A browser sees what changes, says so when the page's process is gone, and has everything after it is back.
func TestABrowserIsTold(t *testing.T) {
	b := browsertest.New(t)
	w := &world{runs: []*status.Run{sending()}}
	site := newSite(w.list, true)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(on net.Listener) (end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- site.serve(ctx, on) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	end := serve(listener)
	home := "http://" + listener.Addr().String()
	b.Open(t, home, home, 1280, 800)
	wait := func(script string) {
		t.Helper()
		if _, err := chromedp.Run(b.Ctx, chromedp.Poll[bool](script, chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
			t.Fatalf("%s: %v in %s", script, err, browsertest.Eval[string](t, b, "document.body.innerText"))
		}
	}
	const text = "document.body.innerText"
	browsertest.Eval[chromedp.Void](t, b, `document.getElementById('left-out').open = true; document.getElementById('left-out-word').focus()`)
	more := sending()
	more.Fates[person.Accepted]++
	more.Fates[person.NotSent]--
	w.set(more)
	wait(text + `.includes('1,683,413')`)
	if !browsertest.Eval[bool](t, b, `document.getElementById('left-out').open && document.activeElement.id === 'left-out-word'`) {
		t.Error("what was unfolded is folded, or the focus is lost")
	}
	w.set(cases["halted"]())
	wait(`document.title.startsWith('Halted: ') && document.body.dataset.tone === 'halted' && ` + text + `.includes('Go on by 14:14')`)
	if wrong := b.Messages(); len(wrong) > 0 {
		t.Errorf("while it is told: %q", wrong)
	}
	end()
	wait(text + `.includes('Connection lost. This is how it was at ')`)
	if !browsertest.Eval[bool](t, b, text+`.includes('Go on by 14:14')`) {
		t.Error("what was known is gone with the connection")
	}
	b.Shoot(t, "lost")
	w.set(cases["finished"]())
	listener, err = net.Listen("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	end = serve(listener)
	defer end()
	wait(`!` + text + `.includes('Connection lost') && document.title.startsWith('Finished: ') && ` + text + `.includes('Keep the folder.')`)
}

// The first event of a connection has all parts, and the next has only what changed. Its id is the log's position.
func TestAnEventHasWhatChanged(t *testing.T) {
	_, server, w := siteOf(t, true, sending())
	for range 2 { // a second connection begins anew
		answer, err := http.Get(server.URL + "/events")
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		next := func() (id string, e event) {
			for lines.Scan() {
				if got, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
					id = got
				}
				if got, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					if err := json.Unmarshal([]byte(got), &e); err != nil {
						t.Fatal(err)
					}
					return id, e
				}
			}
			t.Fatal(lines.Err())
			return "", e
		}
		id, e := next()
		if got := slices.Sorted(maps.Keys(e.Parts)); id != "5721" || e.Tone != "go" || !slices.Equal(got, slices.Sorted(slices.Values(parts["run"]))) {
			t.Errorf("first %s, %s, %q", id, e.Tone, got)
		}
		changed := sending()
		changed.Status.Position, changed.Status.Attempts, changed.Status.Live.InFlight = 5722, 1, 7
		w.set(changed)
		for id != "5722" {
			id, e = next()
		}
		if e.Parts["figures"] == "" || e.Parts["account"] != "" || e.Parts["state"] != "" {
			t.Errorf("then %s, %q", id, e.Parts)
		}
		_ = answer.Body.Close()
		w.set(sending())
		time.Sleep(each)
	}
}

// Only a browser with the token, on a page of this site, under a name of this site may order.
func TestForgedOrdersAreRefused(t *testing.T) {
	plain, server, _ := siteOf(t, true, sending())
	if plain.levers != nil || status404(t, http.MethodPost, server.URL+"/levers") != http.StatusNotFound && status404(t, http.MethodPost, server.URL+"/") != http.StatusMethodNotAllowed {
		t.Error("without levers there is something to order with")
	}
	site, server, _ := siteOf(t, true, sending())
	site.addLevers()
	host := strings.TrimPrefix(server.URL, "http://")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	do := func(method, path, body string, headers ...string) (int, *http.Response) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
				r.Host = headers[i+1]
			}
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode, answer
	}
	if code, _ := do(http.MethodGet, "/levers", ""); code != http.StatusForbidden {
		t.Errorf("the levers without the token: %d", code)
	}
	if code, _ := do(http.MethodGet, "/?token=AAAA", ""); code != http.StatusForbidden {
		t.Errorf("a wrong token: %d", code)
	}
	code, answer := do(http.MethodGet, "/?token="+site.levers.token, "")
	cookie := answer.Header.Get("Set-Cookie")
	if code != http.StatusSeeOther || answer.Header.Get("Location") != "/" || !strings.HasSuffix(cookie, "; Path=/; HttpOnly; SameSite=Strict") {
		t.Fatalf("the token: %d, %v", code, answer.Header)
	}
	if code, answer := do(http.MethodGet, "/?token="+site.levers.token, ""); code != http.StatusForbidden || answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("the token a second time: %d", code)
	}
	cookie, _, _ = strings.Cut(cookie, ";")
	if code, _ := do(http.MethodGet, "/levers", "", "Cookie", cookie); code != http.StatusOK {
		t.Errorf("the levers with the cookie: %d", code)
	}
	const order = "order=stop&reason=x" // it is not confirmed, so nothing happens
	for sentence, test := range map[string]struct {
		headers []string
		want    int
	}{
		"a true order":             {[]string{"Cookie", cookie, "Origin", server.URL}, http.StatusSeeOther},
		"a foreign origin":         {[]string{"Cookie", cookie, "Origin", "http://evil.example"}, http.StatusForbidden},
		"another port":             {[]string{"Cookie", cookie, "Origin", "http://127.0.0.1:1"}, http.StatusForbidden},
		"no origin":                {[]string{"Cookie", cookie}, http.StatusForbidden},
		"an origin of nobody":      {[]string{"Cookie", cookie, "Origin", "null"}, http.StatusForbidden},
		"no cookie":                {[]string{"Origin", server.URL}, http.StatusForbidden},
		"a wrong cookie":           {[]string{"Cookie", "cohort-levers=x; " + strings.Split(cookie, "=")[0] + "=x", "Origin", server.URL}, http.StatusForbidden},
		"a name that leads here":   {[]string{"Cookie", cookie, "Host", "evil.example", "Origin", "http://evil.example"}, http.StatusMisdirectedRequest},
		"such a name and the port": {[]string{"Cookie", cookie, "Host", strings.Replace(host, "127.0.0.1", "evil.example", 1), "Origin", server.URL}, http.StatusMisdirectedRequest},
	} {
		if code, _ := do(http.MethodPost, "/levers", order, test.headers...); code != test.want {
			t.Errorf("%s: %d, want %d", sentence, code, test.want)
		}
	}
	for order, want := range map[string]string{
		order:                                "Nothing has changed: stop was not confirmed.",
		"order=pause&reason=":                "Nothing has changed: pause needs a reason.",
		"order=pace&reason=x&how=per_second": "Nothing has changed: messages a second must be a number above 0.",
		"order=resend&reason=x":              "Nothing was asked for.",
		"order=pause&reason=x":               "Nothing has changed: ", // there is no such folder
	} {
		form, _ := url.ParseQuery(order)
		r := &http.Request{PostForm: form, Form: form, Header: http.Header{}}
		if got := site.levers.obey(r.WithContext(t.Context()), sending().Folder); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", order, got)
		}
	}
	if code, _ := do(http.MethodGet, "/", "", "Host", "evil.example"); code != http.StatusMisdirectedRequest {
		t.Errorf("a page under a foreign name: %d", code)
	}
}

func status404(t *testing.T, method, address string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// The policy names the style and the script that are on the page.
func TestThePolicyIsThatOfThePage(t *testing.T) {
	_, server, _ := siteOf(t, true, sending())
	text := string(get(t, server.URL, http.StatusOK))
	site := newSite(nil, true)
	for _, tag := range []string{"style", "script"} {
		_, inside, _ := strings.Cut(text, "<"+tag+">")
		inside, _, _ = strings.Cut(inside, "</"+tag+">")
		if !strings.Contains(site.policy, tag+"-src "+markup.Source(inside)+";") {
			t.Errorf("the policy is not that of the %s", tag)
		}
	}
}

// A browser keeps one set of cookies for all ports of a machine. The pages of two runs do not take each other's levers.
func TestABrowserHasTheLeversOfTwoPages(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	get := func(address string) int {
		t.Helper()
		answer, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	var servers []string
	for range 2 {
		site, server, _ := siteOf(t, true, sending())
		site.addLevers()
		servers = append(servers, server.URL)
		if code := get(server.URL + "/?token=" + site.levers.token); code != http.StatusOK {
			t.Fatalf("the token: %d", code)
		}
	}
	for i, server := range servers {
		if code := get(server + "/levers"); code != http.StatusOK {
			t.Errorf("the levers of page %d: %d", i+1, code)
		}
	}
}

// A copy of a run's folder has the run's id too. The page shows the run that is at work, and no order goes to the copy.
func TestACopyOfARunTakesNoOrders(t *testing.T) {
	run, twin := sending(), ended(ledger.Died, ledger.Event{})
	twin.Folder, twin.Status.Folder = twin.Folder+".bak", twin.Folder+".bak"
	run.Folder = t.TempDir()
	site, server, _ := siteOf(t, false, twin, run)
	site.addLevers()
	base := "/run/" + run.RunID + "/"
	if page := get(t, server.URL+base, http.StatusOK); !bytes.Contains(page, []byte("Sending")) {
		t.Error("it shows the copy")
	}
	r := httptest.NewRequest(http.MethodPost, base+"levers", strings.NewReader("order=pause&reason=x"))
	r.Host = strings.TrimPrefix(server.URL, "http://")
	r.Header.Set("Origin", server.URL)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: cookieName(r), Value: site.levers.session})
	site.handler().ServeHTTP(httptest.NewRecorder(), r)
	if said := site.levers.said(r); !strings.Contains(said, "2 folders have this run") {
		t.Errorf("it says %q", said)
	}
}
