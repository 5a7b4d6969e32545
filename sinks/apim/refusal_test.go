package apim_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"cohort/sinks/apim"
)

// service answers by the token that a request carries.
type service struct {
	mu    sync.Mutex
	seen  []string
	takes func(token string) int
}

func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := req.Header.Get("Authorization")
	s.seen = append(s.seen, text)
	return &http.Response{StatusCode: s.takes(text), Body: http.NoBody, Request: req}, nil
}

func call(t *testing.T, via http.RoundTripper) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://service.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := via.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	if req.Header.Get("Authorization") != "" {
		t.Error("the caller's request was changed")
	}
	return resp.StatusCode
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	e := newEndpoint(t)
	s := &service{takes: func(text string) int {
		if text == "Bearer token-1" {
			return 401
		}
		return 201
	}}
	via := &apim.Transport{Tokens: e.tokens(t, nil), Base: s}
	if got := call(t, via); got != 401 || len(s.seen) != 1 {
		t.Errorf("the first answer is %d after %d requests: the caller decides whether to ask again", got, len(s.seen))
	}
	for range 3 {
		if got := call(t, via); got != 201 {
			t.Errorf("then %d", got)
		}
	}
	if e.asked() != 2 || via.Tokens.Hopeless() {
		t.Errorf("%d exchanges, hopeless %v", e.asked(), via.Tokens.Hopeless())
	}
}

func TestManyRefusalsOfOneTokenCauseOneExchange(t *testing.T) {
	e := newEndpoint(t)
	s := &service{takes: func(text string) int {
		if text == "Bearer token-1" {
			return 401
		}
		return 201
	}}
	via := &apim.Transport{Tokens: e.tokens(t, nil), Base: together{base: s, room: make(chan struct{}, 50)}}
	var requests sync.WaitGroup
	for range 50 {
		requests.Go(func() { call(t, via) })
	}
	requests.Wait()
	if via.Tokens.Hopeless() {
		t.Error("fifty refusals of one token count as more than one")
	}
	call(t, via)
	if e.asked() != 2 || via.Tokens.Hopeless() {
		t.Errorf("%d exchanges, hopeless %v", e.asked(), via.Tokens.Hopeless())
	}
}

// The refused request left before the token was replaced.
func TestALateRefusalOfAnOldTokenDoesNotCostTheNewOne(t *testing.T) {
	e := newEndpoint(t)
	s := &service{takes: func(text string) int {
		if text == "Bearer token-1" {
			return 401
		}
		return 201
	}}
	via := &apim.Transport{Tokens: e.tokens(t, nil)}
	slow := true
	via.Base = tripper(func(req *http.Request) (*http.Response, error) {
		if slow {
			slow = false
			if a, b := call(t, via), call(t, via); a != 401 || b != 201 {
				t.Errorf("the others get %d and %d", a, b)
			}
		}
		return s.RoundTrip(req)
	})
	if got := call(t, via); got != 401 {
		t.Errorf("the slow one gets %d", got)
	}
	if got := call(t, via); got != 201 || e.asked() != 2 || via.Tokens.Hopeless() {
		t.Errorf("then %d after %d exchanges", got, e.asked())
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// together answers when all have asked, or when there is no room for more.
type together struct {
	base http.RoundTripper
	room chan struct{}
}

func (g together) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case g.room <- struct{}{}:
		for len(g.room) < cap(g.room) {
			select {
			case <-req.Context().Done():
			case <-time.After(time.Millisecond):
			}
		}
	default:
	}
	return g.base.RoundTrip(req)
}

func TestTwoNewTokensRefusedInARowAreHopeless(t *testing.T) {
	for _, row := range []struct {
		sentence string
		answers  []int
		want     bool
	}{
		{"nothing was asked", nil, false},
		{"one fresh token is refused", []int{401}, false},
		{"two fresh tokens are refused in a row", []int{401, 401}, true},
		{"one is taken in between", []int{401, 201, 401}, false},
		{"one is taken in between, then two are refused: the first had served", []int{401, 201, 401, 401}, false},
		{"one is taken, then three are refused", []int{201, 401, 401, 401}, true},
		{"tokens that have served are revoked again and again", []int{201, 401, 201, 401, 201, 401, 201, 401}, false},
		{"a refusal for another reason shows that the token is taken", []int{401, 403, 401}, false},
		{"so does a busy service", []int{401, 429, 401}, false},
		{"a broken service shows nothing", []int{401, 500, 401}, true},
		{"hope comes back with the first token that is taken", []int{401, 401, 201}, false},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			e := newEndpoint(t)
			n := 0
			via := &apim.Transport{Tokens: e.tokens(t, nil), Base: &service{takes: func(string) int { n++; return row.answers[n-1] }}}
			for _, want := range row.answers {
				if got := call(t, via); got != want {
					t.Fatalf("%d, not %d", got, want)
				}
			}
			if got := via.Tokens.Hopeless(); got != row.want {
				t.Errorf("hopeless %v after %v", got, row.answers)
			}
		})
	}
}

// While one caller renews a token, another learns that the service refuses it.
func TestATokenThatIsRefusedDuringItsRenewalIsNotUsedAgain(t *testing.T) {
	for sentence, works := range map[string]bool{"the renewal fails": false, "the renewal works": true} {
		t.Run(sentence, func(t *testing.T) {
			c := newClock()
			e := newEndpoint(t)
			tokens := e.tokens(t, c)
			s := &service{takes: func(string) int { return 401 }}
			via := &apim.Transport{Tokens: tokens, Base: s}
			token(t, tokens)
			c.pass(500 * time.Second)
			gate, begun := make(chan struct{}), make(chan struct{})
			e.says(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				close(begun)
				<-gate
				if !works {
					w.WriteHeader(500)
				}
				return !works
			})
			var renewer sync.WaitGroup
			renewer.Go(func() {
				text, err := tokens.Token(context.Background())
				if works && text != "token-2" || !works && err == nil {
					t.Errorf("who renews gets %q, %v", text, err)
				}
			})
			<-begun
			if got := call(t, via); got != 401 {
				t.Errorf("%d", got)
			}
			close(gate)
			renewer.Wait()
			e.says(nil)
			if got := token(t, tokens); works && got != "token-2" || !works && got != "token-3" {
				t.Errorf("then %s", got)
			}
		})
	}
}

// Many callers hold the same token, and learn one after another that the service refuses it.
// None of them sends a request without a token.
func TestNoRequestCarriesAnEmptyToken(t *testing.T) {
	c := newClock()
	e := newEndpoint(t)
	n := 0
	s := &service{takes: func(string) int { n++; return []int{401, 200, 200}[n%3] }}
	via := &apim.Transport{Tokens: e.tokens(t, c), Base: s}
	var requests sync.WaitGroup
	for range 8 {
		requests.Go(func() {
			for range 40 {
				call(t, via)
				c.pass(97 * time.Second)
			}
		})
	}
	requests.Wait()
	for _, text := range s.seen {
		if text == "Bearer " {
			t.Fatal("a request went out with an empty token")
		}
	}
}

func TestARequestWithoutATokenIsNotSentAndItsBodyClosed(t *testing.T) {
	e := newEndpoint(t)
	e.saysStatus(500, "")
	s := &service{takes: func(string) int { return 201 }}
	via := &apim.Transport{Tokens: e.tokens(t, nil), Base: s}
	body := &closer{}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://service.example/", body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = via.RoundTrip(req)
	if _, ok := errors.AsType[*apim.TokenError](err); !ok {
		t.Errorf("%v", err)
	}
	if len(s.seen) != 0 || !body.closed {
		t.Errorf("sent %d times, body closed %v", len(s.seen), body.closed)
	}
}

type closer struct{ closed bool }

func (*closer) Read([]byte) (int, error) { return 0, errors.New("nobody may read this") }
func (c *closer) Close() error           { c.closed = true; return nil }
