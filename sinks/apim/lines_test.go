package apim_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cohort/sinks/apim"
)

// carrier makes what carries requests to base.
func carrier(t *testing.T, ca, base string, timeout time.Duration) http.RoundTripper {
	t.Helper()
	c, err := apim.Carrier(client(t, ca), base, timeout)
	if err != nil {
		t.Fatal(err)
	}
	if l, is := c.(*apim.Lines); is {
		t.Cleanup(l.CloseIdleConnections)
	}
	return c
}

// post sends a body and reads the answer to its end.
func post(ctx context.Context, c http.RoundTripper, base string, body []byte) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/messages?a=b", nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Body = apim.NewBody(body)
	resp, err := c.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func unsent(err error) bool { _, is := errors.AsType[*apim.UnsentError](err); return is }

// byHand listens, and speaks HTTP as the test wants it on each connection.
func byHand(t *testing.T, speak func(n int, conn net.Conn, in *bufio.Reader)) (base string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				speak(n, conn, bufio.NewReader(conn))
			})
		}
	})
	return "http://" + l.Addr().String()
}

func readRequest(in *bufio.Reader) bool {
	req, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

func TestARequestArrivesAsItWasMeant(t *testing.T) {
	for _, size := range []int{0, 1, 16 << 10, 16<<10 + 1, 6 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		var connections atomic.Int32
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(got, body) || r.ContentLength != int64(size) || r.RequestURI != "/v1/messages?a=b" || r.Proto != "HTTP/1.1" ||
				r.Header.Get("Content-Type") != "application/json" || len(r.TransferEncoding) > 0 || !strings.HasPrefix(r.Host, "127.0.0.1:") {
				t.Errorf("%d bytes: %d arrived, %v; %s %s %v", size, len(got), err, r.Host, r.RequestURI, r.Header)
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(got)
		}))
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
		s.Start()
		c := carrier(t, "", s.URL, time.Minute)
		for range 5 {
			status, answer, err := post(t.Context(), c, s.URL, body)
			if status != http.StatusCreated || answer != string(body) || err != nil {
				t.Errorf("%d bytes: %d, %d bytes, %v", size, status, len(answer), err)
			}
		}
		if n := connections.Load(); n != 1 {
			t.Errorf("%d bytes: five requests took %d connections", size, n)
		}
		s.Close()
	}
}

func TestAnswersOfEveryForm(t *testing.T) {
	for sentence, test := range map[string]struct {
		answer string
		want   string
		again  bool // the connection serves the next request
		err    bool
	}{
		"with a length":                         {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nab", "201 ab", true, false},
		"in chunks":                             {"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "201 ab", true, false},
		"to the end of the connection":          {"HTTP/1.1 201 Created\r\n\r\nab", "201 ab", false, false},
		"and then no more":                      {"HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", "500 ab", false, false},
		"without a body":                        {"HTTP/1.1 204 None\r\n\r\n", "204 ", true, false},
		"announced before":                      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nab", "201 ab", true, false},
		"with something behind it":              {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", "201 ab", false, false},
		"a redirect is only an answer":          {"HTTP/1.1 307 There\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "307 ", true, false},
		"another protocol":                      {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "", false, true},
		"something that is not HTTP":            {"220 mail.example ESMTP\r\n", "", false, true},
		"a head without an end":                 {"HTTP/1.1 201 Created\r\n" + strings.Repeat("X-Long: "+strings.Repeat("y", 8000)+"\r\n", 200), "", false, true},
		"cut off in the head":                   {"HTTP/1.1 201 Created\r\nContent-Le", "", false, true},
		"cut off in the body, which has length": {"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nab", "", false, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			var requests, connections atomic.Int32
			base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				connections.Add(1)
				for readRequest(in) {
					requests.Add(1)
					_, _ = io.WriteString(conn, test.answer)
					if !test.again {
						return
					}
				}
			})
			c := carrier(t, "", base, 10*time.Second)
			for range 2 {
				status, answer, err := post(t.Context(), c, base, []byte("{}"))
				if got := fmt.Sprint(status, " ", answer); (err != nil) != test.err || err == nil && got != test.want || unsent(err) {
					t.Errorf("%s, %v", got, err)
				}
			}
			want := int32(2)
			if test.again {
				want = 1
			}
			if requests.Load() != 2 || connections.Load() != want {
				t.Errorf("two calls were %d requests over %d connections", requests.Load(), connections.Load())
			}
		})
	}
}

// A gateway may refuse a large request at its head and close the connection. What it said
// is the answer all the same, and the rest of the request is not looked at any more.
func TestAnAnswerBeforeTheRequestIsRead(t *testing.T) {
	base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
			time.Sleep(50 * time.Millisecond) // the answer is on its way before the end is
		}
	})
	c := carrier(t, "", base, 10*time.Second)
	body := bytes.Repeat([]byte("x"), 20<<20)
	for range 5 {
		status, answer, err := post(t.Context(), c, base, body)
		if status != 413 || answer != "no" || err != nil {
			t.Errorf("%d %q %v", status, answer, err)
		}
		body[len(body)-1]++ // for the race detector
	}
}

func TestWhatIsAndIsNotSent(t *testing.T) {
	silent := byHand(t, func(_ int, _ net.Conn, in *bufio.Reader) { _ = readRequest(in); _, _ = in.ReadByte() })
	deaf := byHand(t, func(_ int, conn net.Conn, _ *bufio.Reader) { time.Sleep(300 * time.Millisecond); _ = conn.Close() })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	secured, ca := secure(t, nil, func(http.ResponseWriter, *http.Request) {})
	old, oldCA := secure(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, func(http.ResponseWriter, *http.Request) {})
	over := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return ctx
	}
	later := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	for sentence, test := range map[string]struct {
		ctx    func() context.Context
		base   string
		ca     string
		body   int
		unsent bool
	}{
		"nothing listens":                     {t.Context, gone.URL, "", 10, true},
		"cancelled before":                    {over, silent, "", 10, true},
		"a certificate nobody vouches for":    {t.Context, secured.URL, "", 10, true},
		"TLS 1.1":                             {t.Context, old.URL, oldCA, 10, true},
		"no TLS where it should be":           {t.Context, strings.Replace(deaf, "http:", "https:", 1), ca, 10, true},
		"no answer in time":                   {t.Context, silent, "", 10, false},
		"no answer in time, a large body":     {t.Context, silent, "", 1 << 20, false},
		"cut off while it waits":              {later, silent, "", 10, false},
		"closed without having been read":     {t.Context, deaf, "", 10, false},
		"a large body that nobody ever reads": {t.Context, deaf, "", 32 << 20, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			body := bytes.Repeat([]byte("x"), test.body)
			ctx := test.ctx()
			_, _, err := post(ctx, carrier(t, test.ca, test.base, time.Second), test.base, body)
			if err == nil || unsent(err) != test.unsent {
				t.Errorf("%v", err)
			}
			if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
				t.Errorf("it does not say that it was cut off: %v", err)
			}
			clear(body) // for the race detector: nobody may be looking any more
		})
	}
}

func TestAHeaderCannotEndTheHead(t *testing.T) {
	base := byHand(t, func(_ int, _ net.Conn, in *bufio.Reader) {
		if readRequest(in) {
			t.Error("it was sent")
		}
	})
	for _, value := range []string{"a\r\nX-More: b", "a\nb", "a\x00b", "a\x7f"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Authorization"] = []string{"Bearer " + value}
		resp, err := carrier(t, "", base, time.Second).RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if !unsent(err) || strings.Contains(err.Error(), value) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// The service may close a connection that is idle at any moment. A request that would have
// gone into the void takes another one.
func TestALineThatTheServiceHasClosed(t *testing.T) {
	var requests atomic.Int32
	closed := make(chan bool, 100)
	base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if readRequest(in) {
			requests.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
		_ = conn.Close()
		closed <- true
	})
	c := carrier(t, "", base, time.Second)
	for range 20 {
		if status, _, err := post(t.Context(), c, base, []byte("{}")); status != 201 || err != nil {
			t.Fatalf("%d, %v", status, err)
		}
		<-closed
		time.Sleep(5 * time.Millisecond) // until this side has heard of it
	}
	if n := requests.Load(); n != 20 {
		t.Errorf("20 calls were %d requests", n)
	}
}

func TestManyAtOnceOverTLS(t *testing.T) {
	var at, most atomic.Int32
	s, ca := secure(t, nil, func(w http.ResponseWriter, r *http.Request) {
		now := at.Add(1)
		defer at.Add(-1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		body, _ := io.ReadAll(r.Body)
		time.Sleep(time.Millisecond)
		_, _ = w.Write(body)
	})
	before := runtime.NumGoroutine()
	c := carrier(t, ca, s.URL, 10*time.Second)
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for n := range 40 {
				body := bytes.Repeat(fmt.Appendf(nil, "%d.%d ", g, n), 1+n*n*20)
				if _, answer, err := post(t.Context(), c, s.URL, body); err != nil || answer != string(body) {
					t.Errorf("%d bytes: %d came back, %v", len(body), len(answer), err)
				}
			}
		})
	}
	all.Wait()
	if most.Load() < 4 {
		t.Errorf("at most %d at once", most.Load())
	}
	c.(*apim.Lines).CloseIdleConnections()
	s.CloseClientConnections()
	for n := 0; runtime.NumGoroutine() > before+2 && n < 200; n++ {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines more than before", n-before)
	}
}

func TestAProxyIsTheLibrarysBusiness(t *testing.T) {
	c := client(t, "")
	c.Transport.(*http.Transport).Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("a proxy of which nothing can be read") }
	if _, err := apim.Carrier(c, "https://service.example", time.Second); err == nil {
		t.Error("a proxy that cannot be read is passed by")
	}
	var asked atomic.Int32
	proxy := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if req, err := http.ReadRequest(in); err == nil && req.Method == http.MethodConnect {
			asked.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c = client(t, "")
	address, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	c.Transport.(*http.Transport).Proxy = http.ProxyURL(address)
	via, err := apim.Carrier(c, "https://service.example", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := post(t.Context(), via, "https://service.example", []byte("{}")); !unsent(err) || asked.Load() != 1 {
		t.Errorf("%v; the proxy was asked %d times", err, asked.Load())
	}
}
