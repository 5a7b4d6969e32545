package progress

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
)

const tokenPath = "/oauth2/token"

// newServer starts a server on the loopback that reads batches and answers with an id for
// every message: the least that a service can do. It checks nothing and keeps nothing.
func newServer() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+tokenPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"token","expires_in":"599"}`)
	})
	mux.HandleFunc("POST /comms/v1/message-batches", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(created(body))
	})
	return httptest.NewServer(mux)
}

// created is the answer to a batch.
func created(body []byte) []byte {
	const length = 36 // of a reference
	quoted := func(from []byte, key string) (value, rest []byte) {
		_, rest, found := bytes.Cut(from, []byte(`"`+key+`":"`))
		if !found || len(rest) < length {
			return nil, nil
		}
		return rest[:length], rest[length:]
	}
	batch, rest := quoted(body, "messageBatchReference")
	out := append(make([]byte, 0, len(body)), `{"data":{"type":"MessageBatch","attributes":{"messageBatchReference":"`...)
	out = append(append(out, batch...), `","messages":[`...)
	for n := 0; ; n++ {
		var message []byte
		if message, rest = quoted(rest, "messageReference"); message == nil {
			return append(out, `]}}}`...)
		}
		if n > 0 {
			out = append(out, ',')
		}
		out = append(append(out, `{"messageReference":"`...), message...)
		out = append(append(out, `","id":"`...), message[length-27:]...)
		out = append(out, `"}`...)
	}
}
