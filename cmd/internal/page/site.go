// Package page shows runs in a browser. It is a process of its own: it reads logs and control sockets as cohort status
// does, and also shows a run whose process is gone. It can only look, unless it was started with levers.
package page

import (
	"bytes"
	"context"
	_ "embed" // the pages, their style and their script
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/yuin/goldmark"

	"cohort/cmd/internal/markup"
	"cohort/cmd/internal/metrics"
	"cohort/cmd/internal/status"
	"cohort/docs/runbooks"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

//go:embed page.html
var pageText string

//go:embed page.css
var styleText string

//go:embed page.js
var scriptText string

var pages = markup.New("page", pageText, template.FuncMap{
	"command": command, "title": runbooks.Title, "sentence": sentence,
})

// parts are the templates that an event brings anew. An element of each page has the id of its part.
var parts = map[string][]string{
	"run":  {"asof", "state", "now", "account", "figures", "answers", "pace", "delivery", "events", "facts"},
	"runs": {"asof", "runs"},
}

const (
	each        = time.Second // between two looks at the runs
	mostStreams = 100         // browsers that are told what is new
)

// Site shows runs. All browsers share its one reader, which reads only while somebody looks. It is safe for concurrent
// use.
type Site struct {
	one     bool // run, and no overview
	levers  *levers
	hosts   []string // that a request may name; nil: any
	policy  string
	style   template.CSS
	script  template.JS
	streams chan struct{}

	delivery func(folder string) *metrics.Delivery // see counted

	mu   sync.Mutex
	list func(context.Context) (*status.Runs, error)
	runs *status.Runs // as they were at
	err  error
	at   time.Time
	next time.Time // the next look
}

// counted returns a function that counts what became of a run's accepted messages, now and then; nil: nothing is known.
func counted() func(folder string) *metrics.Delivery {
	var counters sync.Map // by folder
	return func(folder string) *metrics.Delivery {
		counter, _ := counters.LoadOrStore(folder, &metrics.Counter{})
		return counter.(*metrics.Counter).Latest(folder, time.Now())
	}
}

// newSite shows the runs that list lists, or the one run.
func newSite(list func(context.Context) (*status.Runs, error), one bool) *Site {
	s := &Site{
		one: one, list: list, delivery: counted(), streams: make(chan struct{}, mostStreams),
		style: template.CSS(markup.Style + styleText), script: template.JS(scriptText),
	}
	s.policy = "default-src 'none'; style-src " + markup.Source(string(s.style)) +
		"; script-src " + markup.Source(scriptText) + "; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
	return s
}

// handler answers requests.
func (s *Site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /runbooks/{name}", s.runbook)
	if !s.one {
		mux.HandleFunc("GET /run/{id}/{$}", s.page)
		mux.HandleFunc("GET /run/{id}/events", s.events)
		mux.HandleFunc("GET /run/{id}/runbooks/{name}", s.runbook)
	}
	if s.levers != nil {
		s.levers.register(mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": s.policy, "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
			"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			w.Header().Set(name, value)
		}
		if !s.isKnown(r.Host) { // a foreign name that leads here is how another page would read this one
			http.Error(w, "This page is not at "+r.Host+".", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Site) isKnown(host string) bool {
	for _, h := range s.hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return s.hosts == nil
}

// look returns the runs as they were at most a second ago. When reading takes long, it is done less often.
func (s *Site) look(ctx context.Context) (*status.Runs, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !now.Before(s.next) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*each) // for those that wait, too
		defer cancel()
		s.runs, s.err = s.list(ctx)
		s.at = time.Now()
		s.next = now.Add(min(10*each, max(each*9/10, 4*s.at.Sub(now))))
	}
	return s.runs, s.at, s.err
}

// view finds what a request asks for; nil: there is no such run.
func (s *Site) view(r *http.Request) (*view, error) {
	all, at, err := s.look(r.Context())
	if err != nil {
		return nil, err
	}
	v := &view{Site: s, All: all, At: at, Base: "/", kind: "runs"}
	if id := r.PathValue("id"); s.one {
		v.Run, v.kind = all.Runs[0], "run"
	} else if id != "" {
		for _, run := range all.Runs {
			if run.RunID != id {
				continue
			}
			if v.Twins++; v.Run == nil || run.Status != nil && run.Status.PID != 0 { // rather the one at work
				v.Run, v.Base, v.kind = run, "/run/"+id+"/", "run"
			}
		}
		if v.Run == nil {
			return nil, nil
		}
	}
	return v, nil
}

func (s *Site) page(w http.ResponseWriter, r *http.Request) {
	if s.levers != nil && s.levers.enter(w, r) {
		return
	}
	s.show(w, r, "")
}

// show answers with a page; without a name, with that of the run or of all runs.
func (s *Site) show(w http.ResponseWriter, r *http.Request, name string) {
	v, err := s.view(r)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case v == nil:
		http.NotFound(w, r)
		return
	}
	if s.levers != nil {
		v.Levers, v.Said = s.levers.isOwner(r), s.levers.said(r)
	}
	if name == "" {
		name = map[bool]string{false: "overview", true: "run"}[v.Run != nil]
	}
	s.write(w, name, v)
}

func (s *Site) write(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pages.ExecuteTemplate(w, name, data) // the client may have gone
}

// event is what a browser is told.
type event struct {
	Title string            `json:"title"`
	Tone  string            `json:"tone"`
	Parts map[string]string `json:"parts"` // HTML by id, of those that have changed
}

// events tells a browser once a second what has changed. The first event has all parts, also after a lost connection.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, "too many browsers look", http.StatusServiceUnavailable)
		return
	}
	if v, err := s.view(r); v == nil && err == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out, told := http.NewResponseController(w), map[string]string{}
	_ = out.SetReadDeadline(time.Time{}) // the request is read, and the answer has no end
	tick := time.NewTicker(each)
	defer tick.Stop()
	for {
		v, err := s.view(r)
		if v == nil || err != nil {
			return // the browser says that the connection is lost, and tries again
		}
		e := event{v.Title(), v.Tone(), map[string]string{}}
		for _, part := range parts[v.kind] {
			var b strings.Builder
			if pages.ExecuteTemplate(&b, part, v) == nil && told[part] != b.String() {
				told[part], e.Parts[part] = b.String(), b.String()
			}
		}
		text, err := json.Marshal(e)
		if err != nil {
			return
		}
		_ = out.SetWriteDeadline(time.Now().Add(10 * each))
		_, err = fmt.Fprintf(w, "retry: 1000\nid: %d\ndata: %s\n\n", v.Position(), text)
		if err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// runbook shows a runbook. That of a run has commands with the run's folder.
func (s *Site) runbook(w http.ResponseWriter, r *http.Request) {
	v, err := s.view(r)
	text, ok := runbooks.Text(r.PathValue("name"))
	if !ok || err != nil || v == nil {
		http.NotFound(w, r)
		return
	}
	if v.Run != nil {
		if call, err := runfolder.ReadCall(v.Run.Folder); err == nil {
			text = runbooks.In(text, refusal.ShellWord(v.Run.Folder), refusal.ShellWord(call.Campaign))
		}
	}
	heading, text, _ := strings.Cut(text, "\n")
	var b bytes.Buffer
	if err := goldmark.Convert([]byte(text), &b); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.write(w, "runbook", map[string]any{
		"V": v, "Heading": strings.TrimPrefix(heading, "# "), "Text": template.HTML(b.String()),
	})
}

// The templates call the methods below.

// One reports whether there is no page of all runs.
func (s *Site) One() bool { return s.one }

// Style is the style of the pages.
func (s *Site) Style() template.CSS { return s.style }

// Script is the script of the pages.
func (s *Site) Script() template.JS { return s.script }
