package simulator

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// manner is how a reply leaves, if it does.
type manner uint8

const (
	whole    manner = iota // as HTTP has it
	cut                    // headers and half the body, then the connection closes
	reset                  // a TCP reset instead of an answer
	unspoken               // nothing; the client has gone
)

// reply is what a handler decided. deliver alone writes to the wire.
type reply struct {
	status      int
	contentType string // "": what Accept asked for
	body        []byte
	location    string
	link        string
	retryAfter  time.Duration
	manner      manner
	claim       *claim // whose delivery is to be noted
}

// wait pauses, or returns false when the client went first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) deliver(w http.ResponseWriter, x *exchange, rep reply) {
	s.tally.answer(rep)
	s.o.Log.Debug("request", "method", x.r.Method, "path", x.r.URL.Path, "status", rep.status, "manner", int(rep.manner), "id", x.id)
	switch rep.manner {
	case reset:
		resetConnection(w)
		return
	case unspoken:
		return
	}
	h := w.Header()
	h.Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	if id := x.correlationID(); id != "" {
		h.Set("X-Correlation-Id", id)
	}
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("X-Content-Type-Options", "nosniff")
	if origin := x.r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Headers", "origin, x-requested-with, accept, content-type, nhsd-session-urid, x-correlation-id, authorization")
		h.Set("Access-Control-Max-Age", "3628800")
		h.Set("Access-Control-Allow-Methods", "GET, PUT, POST, PATCH, DELETE")
	}
	h.Set("Content-Type", rep.contentType)
	if rep.contentType == "" {
		h.Set("Content-Type", x.replyType())
	}
	h.Set("Content-Length", strconv.Itoa(len(rep.body)))
	if rep.location != "" {
		h.Set("Location", rep.location)
	}
	if rep.link != "" {
		h.Set("Link", rep.link)
	}
	if rep.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((rep.retryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(rep.status)
	if rep.manner == cut {
		_, _ = w.Write(rep.body[:len(rep.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // how a handler has net/http drop a connection
	}
	if _, err := w.Write(rep.body); err != nil || x.r.Context().Err() != nil {
		return
	}
	if rep.claim != nil {
		s.ledger.delivered(rep.claim, rep.status)
	}
	if x.token != nil {
		s.tokens.served(x.token)
	}
}

func (x *exchange) correlationID() string {
	if id := x.r.Header.Get("X-Correlation-Id"); id != "" {
		return id
	}
	if x.app {
		return "" // that service makes none up
	}
	return x.id
}

// resetConnection makes the client see ECONNRESET.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not a plain HTTP/1 connection: drop the stream
	}
	under := conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		under = t.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
		return
	}
	_ = conn.Close()
}

// Media types.
const (
	jsonAPI   = "application/vnd.api+json"
	plainJSON = "application/json"
	fhirJSON  = "application/fhir+json"
	html      = "text/html; charset=utf-8"
)

func (x *exchange) replyType() string {
	if x.app {
		return fhirJSON
	}
	if x.r.Header.Get("Accept") == plainJSON {
		return plainJSON
	}
	return jsonAPI
}

// acceptable is the gate for Accept: absent will do, empty will not.
func acceptable(h http.Header) bool {
	values, present := h["Accept"]
	if !present {
		return true
	}
	value := strings.Join(values, ", ")
	return value == "*/*" || knownMedia(value)
}

// knownMedia takes either media type, bare or with charset=utf-8.
func knownMedia(value string) bool {
	media, parameter, has := strings.Cut(value, ";")
	if media = strings.TrimSpace(media); media != jsonAPI && media != plainJSON {
		return false
	}
	return !has || strings.EqualFold(strings.TrimSpace(parameter), "charset=utf-8")
}
