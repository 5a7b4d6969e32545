package page

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"cohort/cmd/internal/lever"
	"cohort/engine/record"
	"cohort/engine/refusal"
)

// levers are the orders that one browser may give: the one that first showed the token of the printed address.
type levers struct {
	site  *Site
	token string

	mu      sync.Mutex
	used    bool   // the token
	session string // in the browser's cookie
	answer  string // to the latest order, until it is shown
}

// cookieName has the port, because a browser sends the cookies of one port to all others.
func cookieName(r *http.Request) string {
	_, port, _ := net.SplitHostPort(r.Host)
	return "cohort-levers-" + port
}

// addLevers lets a browser order. The site is on a loopback address.
func (s *Site) addLevers() {
	s.levers = &levers{site: s, token: rand.Text(), session: rand.Text()}
	s.policy = strings.Replace(s.policy, "form-action 'none'", "form-action 'self'", 1)
}

func (l *levers) register(mux *http.ServeMux) {
	path := "/levers"
	if !l.site.one {
		path = "/run/{id}/levers"
	}
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		if !l.isOwner(r) {
			http.Error(w, notOwner, http.StatusForbidden)
			return
		}
		l.site.show(w, r, "levers")
	})
	mux.HandleFunc("POST "+path, l.order)
}

const notOwner = "This browser has no levers. Open the address that cohort status has printed. " +
	"It works once: to use another browser, start cohort status again."

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// enter gives the levers to the browser that shows the token for the first time. It reports whether it has answered.
func (l *levers) enter(w http.ResponseWriter, r *http.Request) bool {
	token := r.URL.Query().Get("token")
	if token == "" {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !same(token, l.token) || l.used && !l.isOwner(r):
		http.Error(w, notOwner, http.StatusForbidden)
		return true
	case !l.used:
		l.used = true
		http.SetCookie(w, &http.Cookie{
			Name: cookieName(r), Value: l.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
	http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
	return true
}

func (l *levers) isOwner(r *http.Request) bool {
	cookie, err := r.Cookie(cookieName(r))
	return err == nil && same(cookie.Value, l.session)
}

// said is the answer to the latest order, once.
func (l *levers) said(r *http.Request) (answer string) {
	if !l.isOwner(r) {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answer, l.answer = l.answer, ""
	return answer
}

// order takes an order from a form. The browser must send it from a page of this site.
func (l *levers) order(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "http://"+r.Host || !l.isOwner(r) {
		http.Error(w, notOwner, http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	v, err := l.site.view(r)
	if err != nil || v == nil || r.ParseForm() != nil {
		http.Error(w, "This order cannot be read.", http.StatusBadRequest)
		return
	}
	answer := fmt.Sprintf("Nothing has changed: %d folders have this run. Give the order at a terminal, with the folder.", v.Twins)
	if v.Twins < 2 {
		answer = l.obey(r, v.Run.Folder)
	}
	l.site.mu.Lock()
	l.site.next = time.Time{} // the page that comes next shows the effect
	l.site.mu.Unlock()
	l.mu.Lock()
	l.answer = answer
	l.mu.Unlock()
	http.Redirect(w, r, v.Base, http.StatusSeeOther)
}

var verbs = map[string]record.Verb{
	"pause": record.VerbPause, "continue": record.VerbContinue, "pace": record.VerbPace, "stop": record.VerbStop,
}

// obey delivers an order and returns the answer, in the words of the terminal.
func (l *levers) obey(r *http.Request, folder string) string {
	name := r.PostFormValue("order")
	verb, reason := verbs[name], refusal.OneLine(r.PostFormValue("reason"))
	o, err := lever.New(folder, verb, reason), error(nil)
	switch {
	case verb == "":
		return "Nothing was asked for."
	case reason == "":
		return "Nothing has changed: " + name + " needs a reason."
	case verb == record.VerbStop && r.PostFormValue("sure") == "":
		return "Nothing has changed: stop was not confirmed."
	case verb == record.VerbPace:
		perSecond, _ := strconv.ParseFloat(r.PostFormValue("per_second"), 64)
		how := r.PostFormValue("how")
		switch {
		case how != "per_second":
			perSecond = 0
		case !(perSecond > 0 && perSecond <= 1e9):
			return "Nothing has changed: messages a second must be a number above 0."
		}
		err = o.Repace(perSecond, how == "campaign", r.PostFormValue("finish_by"), false)
	}
	if err == nil {
		err = o.Deliver(context.WithoutCancel(r.Context()))
	}
	if err != nil {
		return "Nothing has changed: " + refusal.OneLine(err.Error())
	}
	return o.Words()
}
