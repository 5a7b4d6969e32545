package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
	"cohort/engine/refusal"
)

// The control socket is how a command speaks to the process that is at work on a run: one
// HTTP request over a Unix socket that only the run's owner can open.

// asked is what a command sends over the socket.
type Request struct {
	Verb   record.Verb   `json:"verb"`
	Pace   pace.Override `json:"pace,omitzero"`
	By     string        `json:"by"`
	Reason string        `json:"reason,omitempty"`
	Of     record.Verb   `json:"of,omitempty"` // of a reason: what it is for
}

func (a Request) Lever() ledger.Command {
	return ledger.Command{Verb: a.Verb, Pace: a.Pace, By: a.By, Reason: a.Reason, Of: a.Of}
}

// control listens for what people ask of the run in a folder that this process holds, and
// hands it to the engine. Without a socket, as on a filesystem that has none, the run goes
// on and can be stopped by a signal: that is said. end lets go of the socket.
func Serve(folder string, latest func() *dispatch.Snapshot, log *slog.Logger) (pulls <-chan dispatch.Order, end func()) {
	out, over := make(chan dispatch.Order), make(chan struct{})
	socket, err := listen(folder)
	if err != nil {
		log.Warn("the run cannot be paused or paced while it is at work: there is no control socket", "problem", err.Error())
		return nil, func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /lever", func(w http.ResponseWriter, r *http.Request) {
		var a Request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&a); err != nil {
			http.Error(w, "not understood", http.StatusBadRequest)
			return
		}
		if err := CheckReason(a.Reason); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		done, change := make(chan error, 1), ledger.PaceChange{}
		select {
		case out <- dispatch.Order{Command: a.Lever(), Change: &change, Done: done}:
		case <-over:
			http.Error(w, ErrEnding.Error(), http.StatusServiceUnavailable)
			return
		case <-r.Context().Done():
			return
		}
		if err := <-done; err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(change) // a client that has gone misses it
	})
	mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(latest()) // a client that has gone misses it
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(socket) // until it is shut down
	}()
	return out, func() {
		close(over)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-served
		_ = socket.remove() // what stays is the next process's to remove
		if dir := filepath.Dir(socket.path); dir != socket.folder {
			_ = os.Remove(dir) // only when it is empty
		}
	}
}

var (
	ErrNobody = errors.New("no process is at work on the run") // that listens
	ErrEnding = errors.New("the run is ending")
	errSilent = errors.New("the process that is at work on the run does not answer")
)

// ask has the process that is at work on a run do something. Its answer to LeverPace is what
// that changes.
func Ask(ctx context.Context, folder string, a Request) (change ledger.PaceChange, err error) {
	text, err := json.Marshal(a)
	if err != nil {
		return change, err
	}
	text, err = speak(ctx, folder, http.MethodPost, "lever", bytes.NewReader(text))
	if errors.Is(err, errSilent) {
		return change, fmt.Errorf("%w; what was asked may still take effect: look with %s", err, refusal.Command("status", folder))
	}
	if err != nil {
		return change, err
	}
	return change, json.Unmarshal(text, &change)
}

// snapshot asks the process that is at work on a run how it stands; nil when it has not
// begun to send.
func Snapshot(ctx context.Context, folder string) (*dispatch.Snapshot, error) {
	text, err := speak(ctx, folder, http.MethodGet, "snapshot", nil)
	if err != nil {
		return nil, err
	}
	var now *dispatch.Snapshot
	return now, json.Unmarshal(text, &now)
}

// speak makes one request of the process that is at work on a run.
func speak(ctx context.Context, folder, method, what string, body io.Reader) ([]byte, error) {
	path, err := socketOf(folder)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, "http://run/"+what, body)
	if err != nil {
		return nil, err
	}
	reply, err := client.Do(request)
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", errSilent, err)
	case reply.StatusCode == http.StatusOK:
	case reply.StatusCode == http.StatusServiceUnavailable:
		err = ErrEnding
	default:
		err = errors.New(refusal.OneLine(string(text)))
	}
	return text, err
}
