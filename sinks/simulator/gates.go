package simulator

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// route is one path under /comms.
type route struct {
	methods []string
	answer  func(*Server, *exchange) reply
	open    func(http.Header) bool // when set, the only gate before the answer
}

var (
	getOrHead = []string{http.MethodGet, http.MethodHead}
	routes    = map[string]route{
		"/v1/message-batches": {methods: []string{http.MethodPost}, answer: func(s *Server, x *exchange) reply { return s.submit(x, false) }},
		"/v1/messages":        {methods: []string{http.MethodPost}, answer: func(s *Server, x *exchange) reply { return s.submit(x, true) }},
		messagePath:           {methods: getOrHead, answer: (*Server).show}, // and whatever stands behind it
		accountsPath:          {methods: []string{http.MethodGet}, answer: (*Server).accounts},
		"/_ping":              {methods: getOrHead, answer: ping, open: func(http.Header) bool { return true }},
		"/_status":            {methods: getOrHead, answer: status, open: func(h http.Header) bool { return h.Get("apikey") != "" }},
	}
)

func ping(*Server, *exchange) reply {
	return reply{status: 200, contentType: plainJSON, body: []byte(`{"version":"simulator","revision":"1","releaseId":"simulator","commitId":"simulator"}`)}
}

func status(*Server, *exchange) reply {
	return reply{status: 200, contentType: plainJSON, body: []byte(`{"status":"pass","version":"simulator","revision":"1","releaseId":"simulator","commitId":"simulator"}`)}
}

// answerAPI takes a request through the gates in the live service's order.
func (s *Server) answerAPI(x *exchange) reply {
	h := x.r.Header
	path := strings.TrimPrefix(x.r.URL.Path, apiRoot)
	if strings.HasPrefix(path, messagePath) {
		path = messagePath
	}
	to, known := routes[path]
	allowed := slices.Contains(to.methods, x.r.Method)
	if allowed && to.open != nil {
		if !to.open(h) {
			return refuse(x.id, denied)
		}
		return to.answer(s, x)
	}
	if x.r.Method == http.MethodPost {
		if _, hit := s.dice.strike(ResetBefore); hit {
			return reply{manner: reset}
		}
	}
	if x.token = s.tokens.find(h.Get("Authorization"), x.now); x.token == nil {
		return refuse(x.id, denied)
	}
	if s.tokens.wellUsed(x.token) {
		if _, hit := s.dice.strike(TokenRevoked); hit {
			s.tokens.revoke(x.token)
			return refuse(x.id, denied)
		}
	}
	if _, hit := s.dice.strike(TokenRefused); hit {
		return refuse(x.id, denied)
	}
	if _, hit := s.dice.strike(NotOnboarded); hit || s.o.Account.NotOnboarded {
		return refuse(x.id, forbidden)
	}
	if _, hit := s.dice.strike(Banned); hit {
		return refuse(x.id, serviceBan)
	}
	if f, limited := s.limited(x); limited {
		return refuse(x.id, f)
	}
	switch {
	case !acceptable(h):
		return refuse(x.id, notAcceptable)
	case hasBody(x.r.Method) && !knownMedia(h.Get("Content-Type")):
		return refuse(x.id, unsupported)
	case !known:
		return refuse(x.id, notFound)
	case !allowed:
		return refuse(x.id, notAllowed)
	}
	return to.answer(s, x)
}

func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// limited is the rate gate: the quota that was set, then the faults.
func (s *Server) limited(x *exchange) (refusal, bool) {
	quota := s.o.QuotaPerMinute
	if quota > 0 && s.rates.over(x.token.application, x.now.Unix()/60, quota) {
		return quotaReached.saying(quotaDetail(s.o.Account.Name, quota)).retryIn(s.dice.faults[Quota429].RetryAfter), true
	}
	if f, hit := s.dice.strike(Quota429); hit {
		if quota == 0 {
			quota = 1200
		}
		return quotaReached.saying(quotaDetail(s.o.Account.Name, quota)).retryIn(f.RetryAfter), true
	}
	if f, hit := s.dice.strike(Spike429); hit {
		return quotaReached.saying(spikeDetail(s.o.Account.Name)).retryIn(f.RetryAfter), true
	}
	return refusal{}, false
}

// rates counts requests by application and minute. Safe for concurrent use.
type rates struct {
	mu      sync.Mutex
	windows map[string]window
}

type window struct {
	minute int64
	count  int
}

// over counts one request and says whether it is beyond the quota.
func (r *rates) over(application string, minute int64, quota int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.windows[application]
	if w.minute != minute {
		w = window{minute: minute}
	}
	w.count++
	r.windows[application] = w
	return w.count > quota
}
