package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cohort/fixtures"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
)

// metered is the simulator in this process, with a note of each request that counts for the quota of a key.
type metered struct {
	mu     sync.Mutex
	logged []time.Time            // from the simulator's log
	by     map[string][]time.Time // by campaign, when the simulator has read the request
	busy   []time.Time            // when it answered 429
}

// Handle is the simulator's log.
func (m *metered) Handle(_ context.Context, r slog.Record) error {
	var path, reply string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "path":
			path = a.Value.String()
		case "reply":
			reply = a.Value.String()
		}
		return true
	})
	if strings.HasPrefix(path, "/comms/v1/") {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.logged = append(m.logged, r.Time)
		if reply == "429" {
			m.busy = append(m.busy, r.Time)
		}
	}
	return nil
}

func (m *metered) Enabled(context.Context, slog.Level) bool { return true }
func (m *metered) WithAttrs([]slog.Attr) slog.Handler       { return m }
func (m *metered) WithGroup(string) slog.Handler            { return m }

// plans are the routing plans of the campaigns. They tell the requests apart.
var plans = map[string]string{
	"urgent": "11111111-f98c-4def-93f0-515d4e4f4ee1", "bulk": "22222222-f98c-4def-93f0-515d4e4f4ee1", "third": "33333333-f98c-4def-93f0-515d4e4f4ee1",
}

// meter starts such a simulator, and turns the world to it.
func (w *world) meter(set faults.Set) *metered {
	w.t.Helper()
	m := &metered{by: map[string][]time.Time{}}
	service := simulator.New(simulator.Options{Faults: set, Log: slog.New(m)})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		m.mu.Lock()
		for name, plan := range plans {
			if bytes.Contains(body, []byte(plan)) {
				m.by[name] = append(m.by[name], time.Now())
			}
		}
		m.mu.Unlock()
		service.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(server.Close)
	w.service = strings.TrimPrefix(server.URL, "http://")
	return m
}

func (m *metered) sent(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.by[name])
}

// within checks the requests of all runs against a quota of 1,200 a minute.
func (m *metered) within(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	read := slices.Concat(m.by["urgent"], m.by["bulk"], m.by["third"])
	for name, times := range map[string][]time.Time{"the simulator's log": m.logged, "requests read": read} {
		slices.SortFunc(times, time.Time.Compare)
		for window, most := range map[time.Duration]int{time.Minute: 1200, time.Second: 21} {
			worst := 0
			for i, from := 0, 0; i < len(times); i++ {
				for times[i].Sub(times[from]) >= window {
					from++
				}
				worst = max(worst, i-from+1)
			}
			if worst > most {
				t.Errorf("%s: %d requests in %s, and %d are the quota", name, worst, window, most)
			}
			t.Logf("%s: %d requests, at most %d in any %s", name, len(times), worst, window)
		}
	}
}

// sharing writes a campaign of single messages, and its cohort.
func (w *world) sharing(name string, people int, share string) {
	w.t.Helper()
	w.campaign("pace: {" + share + "}\nstop_if: {of: 0}")
	w.spoil("batch: {max_messages: 400}", "endpoint: messages")
	w.spoil("b838b13c-f98c-4def-93f0-515d4e4f4ee1", plans[name])
	w.spoil("autumn-invitation", name)
	w.spoil("((appointment_date)) at", name+" ((appointment_date)) at")
	if err := os.Rename(w.path("campaign.yaml"), w.path(name+".yaml")); err != nil {
		w.t.Fatal(err)
	}
	f, err := os.Create(w.path(name + ".csv"))
	if err == nil {
		_, err = fixtures.Cohort{People: people, Seed: 5}.WriteCSV(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// sender is a run that may be killed and started again.
type sender struct {
	w      *world
	m      *metered
	name   string
	cmd    *exec.Cmd
	stderr *bytes.Buffer
}

func (w *world) sender(m *metered, name string) *sender {
	s := &sender{w: w, m: m, name: name}
	s.start()
	w.t.Cleanup(s.kill)
	return s
}

func (s *sender) start() {
	s.cmd, _, s.stderr = s.w.start("send", "-c", s.name+".yaml", s.name+".csv", "--run", s.name)
}

func (s *sender) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *sender) signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// more waits until the run has sent more requests.
func (s *sender) more(n int) {
	s.w.t.Helper()
	want := s.m.sent(s.name) + n
	for end := time.Now().Add(3 * time.Minute); s.m.sent(s.name) < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.w.t.Fatalf("%s does not send\n%s", s.name, s.stderr)
		}
	}
}

func TestRunsShareAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, test := range map[string]func(*world){
		"share it": (*world).shareAKey, "are held together": (*world).heldTogether, "cannot use the share": (*world).shareUnusable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(w.another(t))
		})
	}
}

// shareAKey has two runs share a key. They are killed, stand still and are started again, and the service never gets more than the
// quota. The weightier one is done in its share.
func (w *world) shareAKey() {
	t := w.t
	people, rounds := 120, 1
	if os.Getenv("COHORT_PROVE") != "" {
		people, rounds = 1800, 8
	}
	m := w.meter(nil)
	w.sharing("urgent", people, "share: key, weight: 9")
	w.sharing("bulk", 100*people, "share: key, weight: 1")
	bulk := w.sender(m, "bulk")
	bulk.more(25)
	urgent := w.sender(m, "urgent")
	for range rounds {
		urgent.more(15)
		bulk.signal(syscall.SIGSTOP)
		urgent.more(15)
		bulk.signal(syscall.SIGCONT)
		urgent.more(10)
		urgent.kill()
		bulk.more(10)
		urgent.start()
		urgent.more(10)
		bulk.kill()
		urgent.more(10)
		bulk.start()
		urgent.signal(syscall.SIGSTOP)
		bulk.more(10)
		urgent.signal(syscall.SIGCONT)
	}
	began, other := m.sent("urgent"), m.sent("bulk")
	w.endsWith(urgent.cmd, urgent.stderr, 0)
	if mine, others := m.sent("urgent")-began, m.sent("bulk")-other; others > mine/9+mine/4+10 {
		t.Errorf("with weights 9 and 1 the runs sent %d and %d requests", mine, others)
	} else {
		t.Logf("with weights 9 and 1 the runs sent %d and %d requests", mine, others)
	}
	for _, words := range []string{"share=key", "quota_per_minute=1200"} {
		if !strings.Contains(urgent.stderr.String(), words) {
			t.Errorf("it does not say %q:\n%s", words, urgent.stderr)
		}
	}
	o := w.run("status", "bulk")
	if !strings.Contains(o.stdout, "of 1200 requests in the last minute") {
		t.Errorf("status does not tell of the key:\n%s", o.stdout)
	}
	bulk.signal(syscall.SIGTERM)
	w.endsWith(bulk.cmd, bulk.stderr, 3)
	m.within(t)
}

// heldTogether has one run get a 429, which holds the other too.
func (w *world) heldTogether() {
	t := w.t
	m := w.meter(faults.Set{faults.Quota429: {Share: 0.02, RetryAfter: 3 * time.Second, Limit: 1}})
	w.sharing("urgent", 2000, "share: key")
	w.sharing("bulk", 2000, "share: key")
	one, two := w.sender(m, "urgent"), w.sender(m, "bulk")
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		m.mu.Lock()
		held := len(m.busy) > 0
		m.mu.Unlock()
		if held {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no 429 in a minute\n%s%s", one.stderr, two.stderr)
		}
	}
	one.more(5)
	two.more(5)
	m.mu.Lock()
	defer m.mu.Unlock()
	quiet := m.busy[0].Add(3 * time.Second)
	before, during := map[string]int{}, map[string]int{}
	for name, times := range m.by {
		for _, at := range times {
			switch {
			case at.Before(m.busy[0]):
				before[name]++
			case at.Before(quiet):
				during[name]++
			}
		}
	}
	t.Logf("before %v, during the quiet %v", before, during)
	if during["urgent"]+during["bulk"] > 10 { // what was under way; without a hold some 60
		t.Errorf("requests in the quiet: %v", during)
	}
}

// shareUnusable has a share that refuses the start, one that is damaged, and one that fails later and halts the run.
func (w *world) shareUnusable() {
	t := w.t
	m := w.meter(nil)
	w.sharing("bulk", 2000, "share: key")
	w.write("not-a-folder", "")
	w.sharing("third", 20, "share: key")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(w.path(".cohort"), 0o700))
	must(os.WriteFile(w.path(".cohort/shares"), nil, 0o600))
	w.refused("share_unusable", "file exists", "send", "-c", "third.yaml", "third.csv")
	must(os.Remove(w.path(".cohort/shares")))
	bulk := w.sender(m, "bulk")
	bulk.more(5)
	must(os.Remove(w.path(".cohort/shares/key")))
	must(os.Mkdir(w.path(".cohort/shares/key"), 0o700))
	w.endsWith(bulk.cmd, bulk.stderr, 3)
	if !strings.Contains(bulk.stderr.String(), "[share_failed]") {
		t.Error(bulk.stderr.String())
	}
	must(os.Remove(w.path(".cohort/shares/key")))
	must(os.Remove(w.path(".cohort/shares/key.lock")))
	bulk.start()
	bulk.more(5)
	must(os.WriteFile(w.path(".cohort/shares/key"), []byte("nonsense"), 0o600))
	w.await("the run says that the file was damaged", func() bool {
		return strings.Contains(w.run("status", "bulk").stdout, "was damaged or lost")
	})
	sent := m.sent("bulk")
	time.Sleep(time.Second)
	if m.sent("bulk") != sent {
		t.Error("it sends although the last minute is not known")
	}
	m.within(t)
}
