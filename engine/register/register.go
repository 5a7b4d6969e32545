// Package register is the memory over all runs: one line for each run of each
// campaign, so that a second run of a campaign is noticed before it sends anything.
//
// A register is a folder with the file register.jsonl, one JSON object a line. A run's
// state changes by a further line for it, and the latest counts. Lines are only ever
// added, each synced, under a lock that one process holds at a time. Beside it a file
// <run id>.reached says how many requests a run has made, as of its last second or so.
package register

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/engine/disk"
)

// State is how far a run has come.
type State string

// The states of a run.
const (
	Begun      State = "begun"      // it may have sent something
	Finished   State = "finished"   // every record has its final fate
	Superseded State = "superseded" // another run has taken its place
)

// Entry is what the register knows of one run.
type Entry struct {
	At           time.Time `json:"at"`
	RunID        string    `json:"run_id"`
	Campaign     string    `json:"campaign"`
	Service      string    `json:"service"`
	Kind         string    `json:"kind"`                // of sink: notify, nhsapp or file
	Simulator    bool      `json:"simulator,omitempty"` // every answer that the run had came from a simulator
	Real         bool      `json:"real,omitempty"`      // an answer came from the service itself; with neither nobody knows
	Endpoint     string    `json:"endpoint,omitempty"`  // of the service, where it has several; empty: batches
	CohortSHA256 string    `json:"cohort_sha256"`
	Folder       string    `json:"folder"` // absolute
	Host         string    `json:"host"`
	State        State     `json:"state"`
	Attempts     uint64    `json:"attempts,omitempty"`  // requests that its log had when a process last left it
	Revisions    uint64    `json:"revisions,omitempty"` // that their second copy in the folder had then
	Keys         []string  `json:"keys,omitempty"`      // fingerprints of the API keys that it was sent with
	Profile      string    `json:"profile,omitempty"`   // of the campaign file; empty: none, or an older version's line
	Note         string    `json:"note,omitempty"`      // such as the reason for sending again
	Templates    []string  `json:"templates,omitempty"` // fingerprints of what people get to read, by route
	People       int64     `json:"people,omitempty"`    // accepted or in doubt when a process last left it
}

// complete fills in what the service's name says. Lines of older versions lack it.
func (e *Entry) complete() {
	e.Kind, _, _ = strings.Cut(e.Service, " ")
	e.Simulator = e.Simulator || strings.HasSuffix(e.Service, " simulator")
}

const file = "register.jsonl"

// Register is an open register. It belongs to this process until Close.
type Register struct {
	dir  string
	lock *disk.Lock
	size int64   // of the file, less a torn line at its end
	open bool    // the last line lacks its end, and nothing else
	runs []Entry // the latest line of each run, in order of their first lines

	all []*Register // of several that are one, see OpenAll; nil: it is one by itself
}

// Open opens the register in dir, making it when it is not there, and waits a moment
// for another process to let go of it.
func Open(dir string) (*Register, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	if err := disk.MakeFolder(dir); err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	l, err := disk.Acquire(filepath.Join(dir, "lock"), "")
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", dir, err)
	}
	r := &Register{dir: dir, lock: l}
	if err := r.read(); err != nil {
		_ = l.Release()
		return nil, err
	}
	return r, nil
}

func (r *Register) read() error {
	name := filepath.Join(r.dir, file)
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("register: %w", err)
	}
	n, torn := 0, 0
	for line := range bytes.Lines(text) {
		var e Entry
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		whole := bytes.HasSuffix(line, []byte("\n"))
		if err := json.Unmarshal(line, &e); err != nil || e.RunID == "" {
			if !whole { // torn by a power cut before Record returned, so that nobody acted on it
				torn = len(line)
				break
			}
			return fmt.Errorf("%s:%d: the line is damaged; restore the register before sending anything", name, n)
		}
		r.open = !whole
		e.complete()
		r.put(e)
	}
	r.size = int64(len(text) - torn)
	return nil
}

func (r *Register) put(e Entry) {
	for i := range r.runs {
		if r.runs[i].RunID == e.RunID {
			r.runs[i] = e
			return
		}
	}
	r.runs = append(r.runs, e)
}

// Runs lists the runs with their latest lines, the one registered first first.
func (r *Register) Runs() []Entry { return r.runs }

// Run returns the entry of one run.
func (r *Register) Run(id string) (Entry, bool) {
	e, known := r.latest(id)
	if known {
		r.raise(&e)
	}
	return e, known
}

func (r *Register) latest(id string) (Entry, bool) {
	i := slices.IndexFunc(r.runs, func(e Entry) bool { return e.RunID == id })
	if i < 0 {
		return Entry{}, false
	}
	return r.runs[i], true
}

// Others returns the other runs of a campaign on a service, oldest first.
func (r *Register) Others(campaign, service, id string) []Entry {
	var others []Entry
	for _, e := range r.runs {
		if e.Campaign == campaign && e.Service == service && e.RunID != id {
			r.raise(&e)
			others = append(others, e)
		}
	}
	return others
}

// Elsewhere returns the runs of a campaign that an application, known by the fingerprints of
// its API keys, has sent by the same kind of sink to another service, oldest first. Runs that
// were only at a simulator do not count.
func (r *Register) Elsewhere(campaign, service string, keys []string) []Entry {
	return r.atAnother(campaign, service, keys, true)
}

// OtherKeys returns the runs that Elsewhere leaves out because they were sent with other API keys.
func (r *Register) OtherKeys(campaign, service string, keys []string) []Entry {
	return r.atAnother(campaign, service, keys, false)
}

func (r *Register) atAnother(campaign, service string, keys []string, known bool) (others []Entry) {
	want := Entry{Service: service}
	want.complete()
	for _, e := range r.runs {
		has := slices.ContainsFunc(e.Keys, func(key string) bool { return slices.Contains(keys, key) })
		if has == known && e.Campaign == campaign && e.Kind == want.Kind && e.Service != service && !e.Simulator {
			r.raise(&e)
			others = append(others, e)
		}
	}
	return others
}

// Adopt adds what another register knows and this one does not: runs, and how far they came.
func (r *Register) Adopt(other *Register) error {
	for _, e := range other.runs {
		other.raise(&e)
		mine, known := r.Run(e.RunID)
		if known && mine.Attempts >= e.Attempts && mine.Revisions >= e.Revisions && (mine.State != Begun || e.State == Begun) {
			continue
		}
		if known && mine.State != Begun {
			e.State, e.Note = mine.State, mine.Note
		}
		e.Attempts, e.Revisions = max(e.Attempts, mine.Attempts), max(e.Revisions, mine.Revisions)
		if err := r.add(e); err != nil {
			return err
		}
	}
	return nil
}

// Record adds a line for a run, durably. At and Host are filled in.
func (r *Register) Record(e Entry) error {
	e.At = time.Now().UTC().Truncate(time.Millisecond)
	e.Host, _ = os.Hostname()
	return r.add(e)
}

// add adds a line as it is, to each of several registers that are one.
func (r *Register) add(e Entry) error {
	e.complete()
	for _, one := range r.all {
		if err := one.add(e); err != nil {
			return err
		}
	}
	if r.all != nil {
		r.put(e)
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	name := filepath.Join(r.dir, file)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	line = append(line, '\n')
	if r.open {
		line = append([]byte{'\n'}, line...)
	}
	if err = f.Truncate(r.size); err == nil {
		_, err = f.WriteAt(line, r.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = disk.SyncFolder(r.dir)
	}
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	r.size, r.open = r.size+int64(len(line)), false
	r.put(e)
	return nil
}

// Reached notes, in the register in dir, how many requests and revisions a run that is at
// work has made: often, so that even a killed run's folder is known from an older copy of it. It
// needs no lock, since only the process that holds the run's folder calls it.
func Reached(dir, run string, attempts, revisions uint64) error {
	err := disk.WriteFile(reachedFile(dir, run), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, attempts, revisions)
		return err
	})
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// raise adds to an entry what Reached noted last, and when, if it did.
func (r *Register) raise(e *Entry) {
	for _, one := range r.all {
		one.raise(e)
	}
	if r.all != nil {
		return
	}
	var attempts, revisions uint64
	text, err := os.ReadFile(reachedFile(r.dir, e.RunID))
	if err == nil {
		_, _ = fmt.Sscan(string(text), &attempts, &revisions) // older versions noted the first alone
	}
	e.Attempts, e.Revisions = max(e.Attempts, attempts), max(e.Revisions, revisions)
	if info, err := os.Stat(reachedFile(r.dir, e.RunID)); err == nil && info.ModTime().After(e.At) {
		e.At = info.ModTime().UTC()
	}
}

func reachedFile(dir, run string) string { return filepath.Join(dir, run+".reached") }

// Close lets other processes have the register.
func (r *Register) Close() (err error) {
	for _, one := range r.all {
		err = errors.Join(err, one.Close())
	}
	if r.lock != nil {
		err = r.lock.Release()
	}
	return err
}
