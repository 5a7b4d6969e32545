package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/fixtures"
	"cohort/ingest/person"
)

// life is one run of the real binary, from its cohort to the last fate, through
// misfortunes that its seed chooses. The choices can be repeated; the moments at which
// they fall depend on the machine.
type life struct {
	*world
	random  *rand.Rand
	service *standIn
	line    *brokenLine // between the sender and the service; nil: none
	faults  string
	seed    uint64
	folder  string
	truth   fixtures.Truth
	numbers []string         // of the cohort's valid people, in the order of the file
	routes  bool             // the campaign has some
	clinics map[int64]string // of the cohort's records, by line
	listed  map[string]bool  // people listed before any attempt held them
	listing int              // people on the list
	began   bool             // a process has got as far as an attempt
	small   string           // the small filesystem that the run is on; empty: none
	stepped bool             // the binary's wall clock can be stepped
	long    bool             // there is time for the longest of misfortunes
	noise   bytes.Buffer     // what all processes said
	done    figures
}

// newLife sets the scene in an empty folder. With small the run is on a small filesystem of
// its own; without faults the seed chooses them.
func newLife(t *testing.T, dir, binary string, seed uint64, small bool, faults string) *life {
	t.Helper()
	l := &life{
		world:  &world{t: t, dir: dir, binary: binary},
		random: rand.New(rand.NewPCG(seed, 23)), seed: seed, routes: seed%2 == 1, listed: map[string]bool{}, clinics: map[int64]string{}, done: figures{kinds: map[string]int{}},
	}
	l.write("api-key", "an-application\n")
	l.key("key.pem")
	f, err := os.Create(l.path("cohort.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if l.truth, err = (fixtures.Cohort{People: 300 + l.random.IntN(4000), Bad: 0.02, Seed: seed}).WriteCSV(f); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	l.folder = l.path("run")
	if small {
		l.small = l.path("small")
		l.folder = filepath.Join(l.small, "run")
		if err := os.Mkdir(l.small, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", l.small, "tmpfs", 0, "size=40m"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() { // keep what there is to look at
				_ = os.CopyFS(l.path("failed"), os.DirFS(l.small))
			}
			_ = syscall.Unmount(l.small, syscall.MNT_DETACH)
		})
	}
	l.readNumbers()
	l.grow(len(l.numbers) / 50)
	if faults == "" {
		faults = l.someFaults()
	}
	l.faults = faults
	l.service = l.standIn(faults, seed)
	l.repace()
	return l
}

// readNumbers reads the people with valid numbers from the cohort file.
func (l *life) readNumbers() {
	f, err := os.Open(l.path("cohort.csv"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	in := csv.NewReader(f)
	in.FieldsPerRecord, in.LazyQuotes = -1, true
	seen := map[string]bool{}
	for {
		row, err := in.Read()
		if row == nil && err != nil {
			break
		}
		line, _ := in.FieldPos(0)
		l.clinics[int64(line)] = row[len(row)-1]
		number := strings.NewReplacer(" ", "", "-", "").Replace(row[0])
		if _, err := person.ParseNHSNumber(number); err == nil && len(number) == 10 && !seen[number] {
			seen[number] = true
			l.numbers = append(l.numbers, number)
		}
	}
	l.random.Shuffle(len(l.numbers), func(i, j int) { l.numbers[i], l.numbers[j] = l.numbers[j], l.numbers[i] })
}

// someFaults chooses what the service suffers from. It always takes its time.
func (l *life) someFaults() string {
	var out strings.Builder
	for line := range strings.Lines(everyFault) {
		always := strings.HasPrefix(line, "too_early_425") // for its second, instead of the 5 minutes that a 425 asks for
		if !strings.HasPrefix(line, "latency") && (l.random.IntN(2) == 0 || always) {
			out.WriteString(line)
		}
	}
	fmt.Fprintf(&out, "latency: {fixed: %dms, jitter: 50ms}\n", 5+l.random.IntN(60))
	return out.String()
}

// repace writes the campaign again with another pace, as a person may between two starts:
// seldom as fast as the service takes it, so that there is something left to break.
func (l *life) repace() {
	l.t.Helper()
	perSecond := len(l.numbers) / (3 + l.random.IntN(5))
	switch l.random.IntN(5) {
	case 0:
		l.setPace("{per_second: 0}")
	case 1: // a window around now, of that rate
		now := time.Now().UTC()
		const hours = 4
		l.setPace(fmt.Sprintf("{messages: %d, timezone: UTC, window: %q}", hours*3600*perSecond,
			now.Add(-hours*time.Hour/2).Format("15:04")+"-"+now.Add(hours*time.Hour/2).Format("15:04")))
	default:
		l.setPace(fmt.Sprintf("{per_second: %d}", perSecond))
	}
}

// setPace writes the campaign. Its batches, which are frozen, are as the seed has them.
func (l *life) setPace(pace string) {
	l.t.Helper()
	extra := "pace: " + pace + "\nsuppress: [{file: optout.csv, reason: opted_out}]"
	if l.routes {
		extra += "\n" + clinicRoutes
	}
	l.campaign(extra)
	text, err := os.ReadFile(l.path("campaign.yaml"))
	if err != nil {
		l.t.Fatal(err)
	}
	size := 10 + int(l.seed%7)*10
	l.write("campaign.yaml", strings.Replace(string(text), "max_messages: 400", "max_messages: "+strconv.Itoa(size), 1))
}

// grow puts more people on the list. From now on the run must not send to a listed person without
// an earlier attempt. No process may be at work.
func (l *life) grow(more int) {
	l.t.Helper()
	attempted := l.attempted()
	upTo := max(1, l.listing, min(l.listing+more, len(l.numbers)/2)) // a list may not be empty
	for _, number := range l.numbers[l.listing:upTo] {
		if !attempted[number] {
			l.listed[number] = true
		}
	}
	l.listing = upTo
	l.write("optout.csv", "nhs_number\n"+strings.Join(l.numbers[:upTo], "\n")+"\n")
}

// attempted returns the people that the run may have sent to, by its own report. It fails the test
// if the service's ledger has anybody else.
func (l *life) attempted() map[string]bool {
	l.t.Helper()
	people := map[string]bool{}
	if !l.began {
		return people
	}
	if o := l.hear("report", l.folder, "-o", l.path("before.parquet"), "--force"); o.code != 0 {
		l.t.Fatalf("report: exit %d\n%s", o.code, o.stderr)
	}
	for _, r := range l.reportAt(l.path("before.parquet")) {
		if r.NHSNumber != nil && r.Attempts > 0 {
			people[*r.NHSNumber] = true
		}
	}
	for number := range l.ledger() {
		if !people[number] {
			l.t.Fatal("the service has a person that the run's report never attempted")
		}
	}
	return people
}

// hear runs the binary to its end and keeps what it said.
func (l *life) hear(args ...string) exited {
	l.t.Helper()
	o := l.run(args...)
	l.noise.WriteString(o.stderr)
	return o
}

// sends starts the send, or the resume of it.
func (l *life) sends() (*exec.Cmd, *bytes.Buffer) {
	l.t.Helper()
	args := []string{"send", "-c", "campaign.yaml", "cohort.csv", "--run", l.folder}
	if l.began && l.random.IntN(2) == 0 {
		args = []string{"resume", l.folder}
	}
	c, _, stderr := l.startIn(l.clock(), args...)
	return c, stderr
}

// ends waits for a process, which must end as one may: with one of the codes, or killed.
func (l *life) ends(c *exec.Cmd, stderr *bytes.Buffer, codes ...int) int {
	l.t.Helper()
	hung := time.AfterFunc(3*time.Minute, func() { _ = c.Process.Signal(syscall.SIGQUIT) })
	_ = c.Wait()
	inTime := hung.Stop()
	l.noise.Write(stderr.Bytes())
	code := c.ProcessState.ExitCode()
	if !inTime || code >= 0 && !slices.Contains(codes, code) {
		l.t.Fatalf("exit %d, and not one of %v\n%s", code, codes, stderr)
	}
	if _, err := os.Stat(filepath.Join(l.folder, "log")); err == nil && !l.began {
		_, err := os.Stat(filepath.Join(l.folder, "plan.json"))
		l.began = err == nil
	}
	return code
}

// clock may step the wall clock of the next process. The step is under a minute: a longer one would
// pause the run, and clock_test.go covers that.
func (l *life) clock() []string {
	if !l.stepped {
		return nil
	}
	by := []time.Duration{-50 * time.Second, -20 * time.Second, 15 * time.Second}[l.random.IntN(3)]
	l.done.kinds["wall clock stepped"]++
	return stepAfter(time.Duration(200+l.random.IntN(800))*time.Millisecond, by)
}
