package main

import (
	"bytes"
	"context"
	"crypto/sha256"
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

	"cohort/engine"
)

// The control socket is how a command speaks to the process that is at work on a run: one
// HTTP request over a Unix socket that only the run's owner can open.

// socketFile is the socket's name in the run's folder.
const socketFile = "control.sock"

// mostSocketPath is how long the path of a Unix socket may be: the kernel takes 107 bytes,
// and some other systems 103.
const mostSocketPath = 100

// socketPath is where the socket of a run's folder is: in it or, when that path is too long
// for the kernel, in a folder of the user's for temporary files, under a name that follows
// from the folder's.
func socketPath(folder string) string {
	path := filepath.Join(folder, socketFile)
	if len(path) <= mostSocketPath {
		return path
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("cohort-%d", os.Getuid()), fmt.Sprintf("%x", sha256.Sum256([]byte(folder)))[:24]+".sock")
}

// asked is what a command sends over the socket.
type asked struct {
	Verb   engine.LeverVerb `json:"verb"`
	Pace   engine.PaceLever `json:"pace,omitzero"`
	By     string           `json:"by"`
	Reason string           `json:"reason,omitempty"`
}

// control listens for what people ask of the run in a folder that this process holds, and
// hands it to the engine. Without a socket, as on a filesystem that has none, the run goes
// on and can be stopped by a signal: that is said. end lets go of the socket.
func control(folder string, latest func() *engine.Snapshot, log *slog.Logger) (pulls <-chan engine.Pull, end func()) {
	out, over := make(chan engine.Pull), make(chan struct{})
	path := socketPath(folder)
	listener, err := listen(path)
	if err != nil {
		log.Warn("the run cannot be paused or paced while it is at work: there is no control socket", "problem", err.Error())
		return nil, func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /lever", func(w http.ResponseWriter, r *http.Request) {
		var a asked
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&a); err != nil {
			http.Error(w, "not understood", http.StatusBadRequest)
			return
		}
		done, change := make(chan error, 1), engine.PaceChange{}
		select {
		case out <- engine.Pull{Lever: engine.Lever{Verb: a.Verb, Pace: a.Pace, By: a.By, Reason: a.Reason}, Change: &change, Done: done}:
		case <-over:
			http.Error(w, "the run is ending", http.StatusConflict)
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
		_ = server.Serve(listener) // until it is shut down
	}()
	return out, func() {
		close(over)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-served
		_ = os.Remove(path)
		if dir := filepath.Dir(path); dir != folder {
			_ = os.Remove(dir) // only when it is empty
		}
	}
}

// listen opens the socket for the owner alone. What an earlier process left there is
// removed: this one holds the run's lock.
func listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return nil, err
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others", dir)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// errNobody says that no process listens for a run.
var errNobody = errors.New("no process is at work on the run")

// ask has the process that is at work on a run do something. Its answer to LeverPace is what
// that changes.
func ask(ctx context.Context, folder string, a asked) (change engine.PaceChange, err error) {
	text, err := json.Marshal(a)
	if err != nil {
		return change, err
	}
	if text, err = speak(ctx, folder, http.MethodPost, "lever", bytes.NewReader(text)); err != nil {
		return change, err
	}
	return change, json.Unmarshal(text, &change)
}

// snapshot asks the process that is at work on a run how it stands; nil when it has not
// begun to send.
func snapshot(ctx context.Context, folder string) (*engine.Snapshot, error) {
	text, err := speak(ctx, folder, http.MethodGet, "snapshot", nil)
	if err != nil {
		return nil, err
	}
	var now *engine.Snapshot
	return now, json.Unmarshal(text, &now)
}

// speak makes one request of the process that is at work on a run.
func speak(ctx context.Context, folder, method, what string, body io.Reader) ([]byte, error) {
	path := socketPath(folder)
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
		return nil, errNobody
	}
	if err != nil {
		return nil, fmt.Errorf("the process that is at work on the run does not answer: %w", err)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err == nil && reply.StatusCode != http.StatusOK {
		err = errors.New(oneLine(string(text)))
	}
	return text, err
}
