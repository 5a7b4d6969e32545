package apim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Body is the body of a request that is in memory. Lines send it without a copy.
type Body struct {
	bytes.Reader
	text []byte
}

// NewBody makes a body of text, which must not change while a request has it.
func NewBody(text []byte) *Body {
	b := &Body{text: text}
	b.Reset(text)
	return b
}

// Close implements io.Closer.
func (b *Body) Close() error { return nil }

// bytesOf is a request's body.
func bytesOf(req *http.Request) ([]byte, error) {
	switch body := req.Body.(type) {
	case nil:
		return nil, nil
	case *Body:
		return body.text, nil
	default:
		text, err := io.ReadAll(body)
		return text, errors.Join(err, body.Close())
	}
}

var errHeader = errors.New("a header of the request has a character that no header may have")

// appendHead appends the head of a request with a body of length bytes (RFC 9112,
// sections 3 and 5).
func appendHead(dst []byte, req *http.Request, length int) ([]byte, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	dst = append(dst, req.Method...)
	dst = append(dst, ' ')
	dst = append(dst, req.URL.RequestURI()...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\n"...)
	if req.Header["User-Agent"] == nil { // gateways may refuse what does not say what it is
		dst = append(dst, "User-Agent: cohort\r\n"...)
	}
	for name, values := range req.Header {
		for _, value := range values {
			if !isField(value) {
				return nil, errHeader
			}
			dst = append(dst, name...)
			dst = append(dst, ": "...)
			dst = append(dst, value...)
			dst = append(dst, "\r\n"...)
		}
	}
	if length > 0 || req.Method == http.MethodPost {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(length), 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...), nil
}

// isField reports whether a text can be the value of a header without ending it.
func isField(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}
