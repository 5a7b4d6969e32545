// Package control is the socket of a run: an HTTP server on a Unix socket that only the run's owner
// can open. Commands ask the process at work on the run for operations and for snapshots.
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
	"os/user"
	"path/filepath"
	"time"
	"unicode/utf8"

	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
	"cohort/engine/refusal"
)

// Request asks for an operation on a run.
type Request struct {
	Verb   record.Verb   `json:"verb"`
	Pace   pace.Override `json:"pace,omitzero"`
	Of     record.Verb   `json:"of,omitempty"` // the operation that a reason is for
	By     string        `json:"by"`
	Reason string        `json:"reason,omitempty"`
}

// Lever is the request as the ledger knows it.
func (a Request) Lever() ledger.Command { return ledger.Command(a) }

// Serve listens for requests about the run in a folder that this process holds, and passes them on as orders. On a
// filesystem without sockets it logs a warning, and the run goes on: a signal can still stop it. end closes the socket.
func Serve(folder string, latest func() *dispatch.Snapshot, log *slog.Logger) (pulls <-chan dispatch.Order, end func()) {
	out, over := make(chan dispatch.Order), make(chan struct{})
	socket, err := listen(folder)
	if err != nil {
		log.Warn("the run cannot be paused or paced while it is at work: there is no control socket", event.NoControlSocket, "problem", err.Error())
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
		_ = json.NewEncoder(w).Encode(change) // the client may have gone
	})
	mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(latest()) // the client may have gone
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
		_ = socket.remove() // the next process removes what stays
		if dir := filepath.Dir(socket.path); dir != socket.folder {
			_ = os.Remove(dir) // only when it is empty
		}
	}
}

// Why a request has no answer.
var (
	ErrNobody = errors.New("no process is at work on the run")
	ErrEnding = errors.New("the run is ending")
	errSilent = errors.New("the process that is at work on the run does not answer")
)

// Ask sends a request to the process at work on a run. The answer to a change of pace says what
// changes. When no process listens, the error is ErrNobody.
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

// Snapshot gets a snapshot from the process at work on a run; nil: it has not begun to send.
func Snapshot(ctx context.Context, folder string) (*dispatch.Snapshot, error) {
	text, err := speak(ctx, folder, http.MethodGet, "snapshot", nil)
	if err != nil {
		return nil, err
	}
	var now *dispatch.Snapshot
	return now, json.Unmarshal(text, &now)
}

// speak makes one HTTP request to the process at work on a run.
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

const mostReason = 1000 // characters

func CheckReason(reason string) error {
	if n := utf8.RuneCountInString(reason); n > mostReason {
		return refusal.New("reason_too_long", "characters", n, "most", mostReason)
	}
	return nil
}

func WhoAmI() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}
