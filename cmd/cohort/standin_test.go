package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/sinks/simulator"
)

// standIn is the simulator as a process that may die, stand still and come back. Its state file keeps
// the accepted messages, so a restart forgets nothing.
type standIn struct {
	t      *testing.T
	binary string
	args   []string
	listen string
	cmd    *exec.Cmd
	past   simulator.Stats // of its lives that are over, as far as they could be asked
	deaths int
}

// standIn starts a simulator that knows the campaign's keys, at an address of its own,
// and turns the world to it. It ends with the test.
func (w *world) standIn(faults string, seed uint64) *standIn {
	w.t.Helper()
	w.service = "127.0.0.1:1"
	w.campaign("")
	w.write("faults.yaml", faults)
	s := &standIn{t: w.t, binary: w.binary, listen: "127.0.0.1:0", args: []string{
		"simulate", "-c", w.path("campaign.yaml"), "--faults", w.path("faults.yaml"), "--state", w.path("service.jsonl"), "--seed", fmt.Sprint(seed),
	}}
	s.start()
	w.t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	w.service = s.listen
	return s
}

// start starts the process, at the address it had before.
func (s *standIn) start() {
	s.t.Helper()
	said := ""
	for range 50 {
		c := exec.Command(s.binary, append(s.args, "--listen", s.listen)...)
		stderr, err := c.StderrPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			s.t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if _, address, ok := strings.Cut(lines.Text(), "base_url:"); ok {
				s.listen = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(address), "http://"), "/comms")
				s.cmd = c
				go func() {
					for lines.Scan() { // so that the pipe never fills
					}
				}()
				return
			}
			said = lines.Text()
		}
		_ = c.Wait()
		time.Sleep(100 * time.Millisecond) // somebody's outgoing connection has the port
	}
	s.t.Fatalf("the simulator did not start: %s", said)
}

// kill ends the process as a power cut does. The counters are asked for first.
func (s *standIn) kill() {
	s.t.Helper()
	s.past, s.deaths = s.stats(), s.deaths+1
	s.die()
}

// die ends the process without a word, for one that stands still.
func (s *standIn) die() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *standIn) pause() { s.signal(syscall.SIGSTOP) }
func (s *standIn) goOn()  { s.signal(syscall.SIGCONT) }

func (s *standIn) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// stats are the counters over all lives of the process.
func (s *standIn) stats() simulator.Stats {
	s.t.Helper()
	resp, err := http.Get("http://" + s.listen + "/_simulator/stats")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var now simulator.Stats
	if err := json.NewDecoder(resp.Body).Decode(&now); err != nil {
		s.t.Fatal(err)
	}
	now.Requests += s.past.Requests
	now.Duplicates += s.past.Duplicates
	now.ReplaysWithOtherBody += s.past.ReplaysWithOtherBody
	return now
}

// accepted counts the messages that the service has.
func (s *standIn) accepted() int { return s.stats().MessagesAccepted }

// await waits until a condition holds, and fails the test when it takes too long.
func (w *world) await(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not after a minute: %s", what)
		}
	}
}
