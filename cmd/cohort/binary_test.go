package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// world is a folder with everything a run needs, and the built binary: what an
// operator has, with the service played by a simulator in a process of its own.
type world struct {
	t       *testing.T
	dir     string
	binary  string
	service string // the simulator's address
	single  bool   // its campaign sends single messages
	says    said   // by the simulator, after its start
}

// said collects the lines of a process while a test reads them.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.WriteString(line + "\n")
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.binary = filepath.Join(w.dir, "cohort")
	if out, err := exec.Command("go", "build", "-o", w.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	w.write("api-key", "an-application\n")
	w.key("key.pem")
	return w
}

// another is a world of its own with the same binary.
func (w *world) another(t *testing.T) *world {
	t.Helper()
	other := &world{t: t, dir: t.TempDir(), binary: w.binary}
	other.write("api-key", "an-application\n")
	other.key("key.pem")
	return other
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) key(name string) {
	w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}

// campaign writes campaign.yaml for the simulator's address.
func (w *world) campaign(extra string) {
	w.t.Helper()
	w.write("campaign.yaml", `campaign: autumn-invitation
profile: test
cohort:
  required: [appointment_date]
personalisation:
  patient_first_name: "((given_name))"
  appointment: "((appointment_date)) at ((clinic_name))"
`+extra+`
sink:
  notify:
    base_url: http://`+w.service+`/comms
    token_url: http://`+w.service+`/oauth2/token
    api_key_file: api-key
    key_id: test-1
    private_key_file: key.pem
    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1
    batch: {max_messages: 400}
`)
}

// simulate starts a simulator that knows the campaign's keys, with more flags. It ends with
// the test.
func (w *world) simulate(faults string, more ...string) {
	w.t.Helper()
	w.service = "127.0.0.1:1"
	w.campaign("")
	w.write("faults.yaml", faults)
	c := exec.Command(w.binary, append([]string{"simulate", "--listen", "127.0.0.1:0", "-c", w.path("campaign.yaml"), "--faults", w.path("faults.yaml"), "--seed", "7"}, more...)...)
	stderr, err := c.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "base_url:"); ok {
			w.service = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(address), "http://"), "/comms")
			go func() {
				for lines.Scan() { // so that the pipe never fills
					w.says.add(lines.Text())
				}
			}()
			return
		}
	}
	w.t.Fatal("the simulator did not start")
}

// exited is the result of one call of the binary.
type exited struct {
	code   int
	stdout string
	stderr string
}

// refused reports whether the command was refused with this code.
func (o exited) refused(code string) bool {
	return o.code == refusal.ExitRefused && endsWith(o.stderr, code)
}

func (w *world) start(args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	w.t.Helper()
	return w.startIn(nil, args...)
}

// startIn starts the binary with more in its environment.
func (w *world) startIn(env []string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	c := exec.Command(w.binary, args...)
	c.Env = append(os.Environ(), env...)
	c.Dir, c.Stdout, c.Stderr = w.dir, &stdout, &stderr
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	return c, &stdout, &stderr
}

func (w *world) run(args ...string) exited {
	w.t.Helper()
	c, stdout, stderr := w.start(args...)
	hung := time.AfterFunc(3*time.Minute, func() { _ = c.Process.Kill() })
	defer hung.Stop()
	_ = c.Wait()
	return exited{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// folder is the folder of the only run there is.
func (w *world) folder() string {
	w.t.Helper()
	found, err := filepath.Glob(w.path("runs/[^.]*")) // beside the inbox of callbacks
	if err != nil || len(found) != 1 {
		w.t.Fatalf("runs: %v %v", found, err)
	}
	return found[0]
}

// reportRow is a row of the report, read by the columns that other tools depend on.
type reportRow struct {
	Row              int64   `parquet:"row"`
	Line             int64   `parquet:"line"`
	NHSNumber        *string `parquet:"nhs_number,optional"`
	Outcome          string  `parquet:"outcome"`
	ReasonCode       *string `parquet:"reason_code,optional"`
	BatchReference   *string `parquet:"batch_reference,optional"`
	MessageReference *string `parquet:"message_reference,optional"`
	MessageID        *string `parquet:"message_id,optional"`
	Attempts         int32   `parquet:"attempts"`
}

func (w *world) report(folder string) []reportRow {
	w.t.Helper()
	return w.reportAt(filepath.Join(folder, runfolder.ReportFile))
}

func (w *world) reportAt(path string) []reportRow {
	w.t.Helper()
	rows, err := parquet.ReadFile[reportRow](path)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// accepted is one message of the simulator's own ledger.
type accepted struct {
	BatchReference   string `json:"batchReference"`
	MessageReference string `json:"messageReference"`
	MessageID        string `json:"messageId"`
	NHSNumber        string `json:"nhsNumber"`
	RoutingPlanID    string `json:"routingPlanId"`
	Times            struct{ Person, Reference int }
}

// ledger reads the simulator's own ledger, by NHS number. It fails the test when a
// person is in it twice.
func (w *world) ledger() map[string]accepted {
	w.t.Helper()
	resp, err := http.Get("http://" + w.service + "/_simulator/ledger")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	all := map[string]accepted{}
	for in := json.NewDecoder(resp.Body); in.More(); {
		var a accepted
		if err := in.Decode(&a); err != nil {
			w.t.Fatal(err)
		}
		if _, twice := all[a.NHSNumber]; twice || a.Times.Person != 1 {
			w.t.Fatalf("a person was accepted %d times, in batch %s among others", a.Times.Person, a.BatchReference)
		}
		all[a.NHSNumber] = a
	}
	return all
}

// agree compares the report with the simulator's ledger, row for row, and counts the rows by outcome.
func (w *world) agree(rows []reportRow, ledger map[string]accepted) map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for i, r := range rows {
		if r.Row != int64(i+1) {
			w.t.Fatalf("row %d of the report is row %d of the cohort", i+1, r.Row)
		}
		counts[r.Outcome]++
		if r.Outcome != "accepted" {
			continue
		}
		a, ok := ledger[*r.NHSNumber]
		switch {
		case !ok:
			w.t.Fatalf("row %d is reported as accepted and the service has nothing of it", r.Row)
		case a.MessageReference != *r.MessageReference || !w.single && a.BatchReference != *r.BatchReference || w.single && a.BatchReference != "":
			w.t.Fatalf("row %d: other references than the service's", r.Row)
		case r.MessageID != nil && *r.MessageID != a.MessageID:
			w.t.Fatalf("row %d: another id than the service's", r.Row)
		}
	}
	if counts["accepted"] != len(ledger) {
		w.t.Fatalf("the report has %d accepted and the service %d", counts["accepted"], len(ledger))
	}
	return counts
}

// eachFile reads every regular file below a folder, and skips the control socket of a killed process.
func eachFile(folder string, yield func(path string, text []byte, mode fs.FileMode)) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			yield(path, text, info.Mode().Perm())
		}
		return err
	})
}

// copyFolder copies a run's folder as a person would, without the socket of a process.
func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		at = filepath.Join(to, at)
		switch {
		case e.IsDir():
			return os.MkdirAll(at, 0o700)
		case !e.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, text, 0o600)
	})
}
