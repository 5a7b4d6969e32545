package gateway

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// manner is the way a reply leaves.
type manner uint8

const (
	whole      manner = iota // a complete HTTP response
	cut                      // headers and half the body, then the connection closes
	reset                    // a TCP reset instead of an answer
	unanswered               // nothing; the client has gone
)

// Reply is the decision of a handler. Only the gateway writes it to the connection.
type Reply struct {
	Status      int
	ContentType string // empty: the API's MediaType
	Body        []byte
	Location    string
	Link        string
	RetryAfter  time.Duration
	Delivered   func(status int) // called when the whole reply went out; nil: nobody asks

	manner manner
}

// Page is a web page of the gateway, in place of an answer of the API.
func Page(status int, title string) Reply {
	text := fmt.Sprintf("<html><head><title>%d %s</title></head><body><h1>%s</h1></body></html>", status, title, title)
	return Reply{Status: status, ContentType: "text/html; charset=utf-8", Body: []byte(text)}
}

// Reset makes the client see ECONNRESET.
var Reset = Reply{manner: reset}

func (g *Gateway) deliver(w http.ResponseWriter, x *Exchange, rep Reply) {
	g.count(func(c *Traffic) { c.ByStatus[rep.name()]++ })
	g.Options.Log.Debug("request", "method", x.R.Method, "path", x.R.URL.Path, "reply", rep.name(), "id", x.ID)
	switch rep.manner {
	case reset:
		resetConnection(w)
		return
	case unanswered:
		return
	}
	h := w.Header()
	h.Set("Date", g.Options.Now().UTC().Format(http.TimeFormat))
	if id := x.correlationID(); id != "" {
		h.Set("X-Correlation-Id", id)
	}
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("X-Content-Type-Options", "nosniff")
	if origin := x.R.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Headers", "origin, x-requested-with, accept, content-type, nhsd-session-urid, x-correlation-id, authorization")
		h.Set("Access-Control-Max-Age", "3628800")
		h.Set("Access-Control-Allow-Methods", "GET, PUT, POST, PATCH, DELETE")
	}
	h.Set("Content-Type", rep.ContentType)
	if rep.ContentType == "" {
		h.Set("Content-Type", x.api.MediaType(x.R))
	}
	h.Set("Content-Length", strconv.Itoa(len(rep.Body)))
	if rep.Location != "" {
		h.Set("Location", rep.Location)
	}
	if rep.Link != "" {
		h.Set("Link", rep.Link)
	}
	if rep.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((rep.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(rep.Status)
	if rep.manner == cut {
		_, _ = w.Write(rep.Body[:len(rep.Body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // net/http drops the connection
	}
	if _, err := w.Write(rep.Body); err != nil || x.R.Context().Err() != nil {
		return
	}
	if rep.Delivered != nil {
		rep.Delivered(rep.Status)
	}
	if x.token != nil {
		x.token.served.Add(1)
	}
}

func (x *Exchange) correlationID() string {
	if id := x.R.Header.Get("X-Correlation-Id"); id != "" || x.api.Silent {
		return id
	}
	return x.ID
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

// JSON is the media type of the gateway's own answers.
const JSON = "application/json"

// IsMedia reports whether a value is one of the media types, bare or with charset=utf-8.
func IsMedia(value string, types ...string) bool {
	media, parameter, has := strings.Cut(value, ";")
	return slices.Contains(types, strings.TrimSpace(media)) && (!has || strings.EqualFold(strings.TrimSpace(parameter), "charset=utf-8"))
}

// Traffic counts the requests to the APIs and to the token endpoint.
type Traffic struct {
	Requests       int            `json:"requests"`
	ByStatus       map[string]int `json:"byStatus"`    // HTTP status, or cut_201, reset, unanswered
	LargestBody    int            `json:"largestBody"` // bytes
	MostConcurrent int            `json:"mostConcurrent"`

	open int // now
}

func (g *Gateway) Traffic() (out Traffic) {
	g.count(func(c *Traffic) {
		out = *c
		out.ByStatus = maps.Clone(c.ByStatus)
	})
	return out
}

func (g *Gateway) count(change func(*Traffic)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.traffic)
}

// name is the key of a reply in Traffic.ByStatus.
func (rep Reply) name() string {
	switch rep.manner {
	case cut:
		return "cut_" + strconv.Itoa(rep.Status)
	case reset:
		return "reset"
	case unanswered:
		return "unanswered"
	}
	return strconv.Itoa(rep.Status)
}
