package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// sameAsLibrary compares plain with net/http over the same bytes, and reports whether plain
// takes them.
func sameAsLibrary(t *testing.T, b []byte) bool {
	t.Helper()
	var a Answer
	head, body, ok := a.plain(b)
	if !ok {
		return false
	}
	if head > len(b) || body < 0 {
		t.Fatalf("%q: %d and %d bytes", b, head, body)
	}
	if missing := head + body - len(b); missing > 1<<20 {
		return true // too long for a buffer, and so for plain's caller
	} else if missing > 0 {
		b = append(bytes.Clone(b), bytes.Repeat([]byte("~"), missing)...)
	}
	in := bufio.NewReader(bytes.NewReader(b))
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("%q: the library cannot read it: %v", b, err)
	}
	text, err := io.ReadAll(resp.Body)
	rest, _ := io.ReadAll(in)
	if err != nil || resp.StatusCode != http.StatusCreated || resp.Close || resp.ContentLength != int64(body) || len(resp.TransferEncoding)+len(resp.Trailer) > 0 ||
		!bytes.Equal(text, b[head:head+body]) || !bytes.Equal(rest, b[head+body:]) {
		t.Fatalf("%q: plain says %d and %d bytes, the library %d, close %v, %q, then %q, %v", b, head, body, resp.StatusCode, resp.Close, text, rest, err)
	}
	names := []string{"X-Correlation-Id", "Location", "Retry-After", "X-Cohort-Simulator", "Content-Length"}
	for name := range resp.Header {
		if name != "Cache-Control" { // the library makes one out of Pragma
			names = append(names, name)
		}
	}
	for _, name := range names {
		if !slices.Equal(a.Values(name), resp.Header.Values(name)) || a.Get(name) != resp.Header.Get(name) {
			t.Fatalf("%q: %s is %q, and for the library %q", b, name, a.Values(name), resp.Header.Values(name))
		}
	}
	return true
}

var seeds = []string{
	"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-Correlation-Id: 5f3c1f6e\r\nContent-Length: 2\r\n\r\n{}",
	"HTTP/1.1 201 \r\ndate: Mon, 02 Mar 2026 09:00:00 GMT\r\nconnection: Keep-Alive\r\ncontent-length:  0 \r\nlocation:/x\r\nX-Empty:\r\n\r\n",
}

// Whatever plain takes, net/http reads in the same way.
func TestPlainAnswersAreReadAsTheLibraryReadsThem(t *testing.T) {
	starts := []string{"HTTP/1.1 201 Created", "HTTP/1.1 201 ", "HTTP/1.1 201", "HTTP/1.1  201 X", "HTTP/1.0 201 Created", "HTTP/1.1 200 OK", "HTTP/1.1 2010 X", "HTTP/1.1 201 \t"}
	lines := []string{
		"Content-Length: 2", "content-length:2", "Content-Length: 3", "Content-Length: +2", "Content-Length: 2, 2", "Content-Length:", "Content-Length : 2", "Content-Length: 02",
		"Content-Length: -1", "Content-Length: 0x2", "Content-Length: 99999999999999999999", "Transfer-Encoding: chunked", "Trailer: X", "Connection: close", "connection: keep-alive, Close", "Connection: keep-alive",
		"X-Correlation-Id: a", "x-correlation-id: b", "Location: /x ", "Location:\t/y", "Retry-After: 1", "X-Cohort-Simulator: devel", "Pragma: no-cache", " folded", "\tfolded", ":", "X", "X Y: z", "X_Y: z", "X: \x00", "X: \u00e9", "X: a\rb", "",
	}
	ends := []string{"\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r\r\n"}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	taken := 0
	for range 200_000 {
		var b []byte
		if random.IntN(2) == 0 { // a plain answer with a few bytes changed
			b = []byte(pick(seeds))
			for range random.IntN(4) {
				b[random.IntN(len(b))] = pick([]string{" ", "\t", "\r", "\n", ":", "0", "1", "a", "-", "\x80"})[0]
			}
		} else { // one made of lines
			b = fmt.Append(b, pick(starts[:1+random.IntN(len(starts))]), pick(ends))
			for range random.IntN(5) {
				b = fmt.Append(b, pick(lines), pick(ends))
			}
			b = fmt.Append(b, pick(ends), "{}HTTP/1.1"[:random.IntN(11)])
		}
		if sameAsLibrary(t, b) {
			taken++
		}
	}
	if taken < 20_000 {
		t.Errorf("plain took %d answers", taken)
	}
}

func TestWhatIsPlain(t *testing.T) {
	for _, seed := range seeds {
		if !sameAsLibrary(t, []byte(seed)) {
			t.Errorf("%q is not plain", seed)
		}
		for n := range strings.Index(seed, "\r\n\r\n") + 4 {
			if _, _, ok := new(Answer).plain([]byte(seed[:n])); ok {
				t.Errorf("%q is plain", seed[:n])
			}
		}
	}
	for _, more := range []string{"Transfer-Encoding: chunked", "Connection: close", "Connection: x", "Trailer: X", "Content-Length: 2", "X : y", " X: y", "X: y\r\n z", "X", "X: \x01"} {
		text := "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n" + more + "\r\n\r\n{}"
		if _, _, ok := new(Answer).plain([]byte(text)); ok {
			t.Errorf("%q is plain", text)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameAsLibrary(t, b) })
}
