// Package register remembers all runs. A second run of a campaign is noticed before it sends anything.
//
// A register is a folder with the file register.jsonl: one JSON object a line. Each change of a run adds a line; the
// latest line of a run counts. Each line is synced, under a lock that one process holds at a time. The file <run
// id>.reached beside it counts the requests of a run, at most about a second late.
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
	"cohort/engine/plan"
)

type State string

const (
	Begun      State = "begun"      // it may have sent something
	Finished   State = "finished"   // every record has its final fate
	Superseded State = "superseded" // another run replaced it
)

// Version is the format of a line. A line names its format from 2 on.
const Version = 1

// Entry is the register's line for one run.
type Entry struct {
	Format       int       `json:"format,omitempty"` // 0 is 1
	At           time.Time `json:"at"`
	RunID        string    `json:"run_id"`
	Campaign     string    `json:"campaign"`
	Service      string    `json:"service"`
	Kind         string    `json:"kind"`                // of sink: notify, nhsapp or file
	Simulator    bool      `json:"simulator,omitempty"` // every answer to the run came from a simulator
	Real         bool      `json:"real,omitempty"`      // an answer came from the service itself; unknown if neither is true
	Endpoint     string    `json:"endpoint,omitempty"`  // of the service, if it has several; empty: batches
	Keyed        bool      `json:"keyed,omitempty"`     // its references are those of plan version 3
	CohortSHA256 string    `json:"cohort_sha256"`
	Folder       string    `json:"folder"` // absolute
	Host         string    `json:"host"`
	State        State     `json:"state"`
	Attempts     uint64    `json:"attempts,omitempty"`  // requests in its log when a process last left it
	Revisions    uint64    `json:"revisions,omitempty"` // in the second copy in the folder at that time
	Keys         []string  `json:"keys,omitempty"`      // fingerprints of the API keys that the run used
	Profile      string    `json:"profile,omitempty"`   // of the campaign file; empty: none, or a line of an older version
	Note         string    `json:"note,omitempty"`      // such as the reason for sending again
	Templates    []string  `json:"templates,omitempty"` // fingerprints of the message texts, by route
	People       int64     `json:"people,omitempty"`    // accepted or in doubt when a process last left it
	Root         string    `json:"root,omitempty"`      // of a follow-up: the first run of its chain
	Parent       string    `json:"parent,omitempty"`    // of a follow-up: the run with its people
	Rule         string    `json:"rule,omitempty"`      // of a follow-up: the rule
}

// complete derives Kind and Simulator from the service. Lines of older versions lack them.
func (e *Entry) complete() {
	e.Kind, _, _ = strings.Cut(e.Service, " ")
	e.Simulator = e.Simulator || strings.HasSuffix(e.Service, " simulator")
}

// File is the name of the file in a register.
const File = "register.jsonl"

// Register is an open register. It belongs to this process until Close.
type Register struct {
	// Chain is the id of the first run of the chain that the caller works on. The chain's runs write to the same
	// people on purpose, so they do not count as other runs, unless one may repeat a campaign. Empty: no chain.
	Chain string

	dir  string
	lock *disk.Lock
	size int64   // of the file, without a torn line at its end
	open bool    // the last line lacks only its line break
	runs []Entry // the latest line of each run, in order of their first lines

	all []*Register // the single registers that this one combines, see OpenAll; nil: it is a single one
}

// Open opens the register in dir and creates it if necessary. It waits about a second for
// another process to release it.
func Open(dir string) (*Register, error) {
	err := os.MkdirAll(filepath.Dir(dir), 0o755)
	if err == nil {
		err = disk.MakeFolder(dir)
	}
	if err != nil {
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
	name := filepath.Join(r.dir, File)
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
		err := json.Unmarshal(line, &e)
		if e.Format > Version {
			return fmt.Errorf("%s:%d: the line has format %d, and this version of cohort reads %d: %w", name, n, e.Format, Version, disk.ErrNewer)
		}
		if err != nil || e.RunID == "" {
			if !whole { // a power cut tore it before Record returned, so nobody acted on it
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
	if i := r.index(e.RunID); i >= 0 {
		r.runs[i] = e
		return
	}
	r.runs = append(r.runs, e)
}

// Runs lists the latest line of each run, in the order of their first lines.
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
	if i := r.index(id); i >= 0 {
		return r.runs[i], true
	}
	return Entry{}, false
}

func (r *Register) index(id string) int {
	return slices.IndexFunc(r.runs, func(e Entry) bool { return e.RunID == id })
}

func (r *Register) inChain(e *Entry) bool {
	return r.Chain != "" && (e.RunID == r.Chain || e.Root == r.Chain)
}

// Others returns the other runs of a campaign on a service, oldest first. follows says what the run follows up; nil:
// nothing. A run of its chain is no other if it surely has other people.
func (r *Register) Others(campaign, service, id string, follows *plan.FollowUp) (others []Entry) {
	for _, e := range r.runs {
		if e.Campaign == campaign && e.Service == service && e.RunID != id && !(r.inChain(&e) && r.apart(&e, follows)) {
			r.raise(&e)
			others = append(others, e)
		}
	}
	return others
}

// apart reports whether a run has other people than another of its chain and campaign. So it is if both follow up one
// run, whose notes share by campaign. And it is if both follow up one campaign by one rule: by induction, the runs of
// that campaign have other people too.
func (r *Register) apart(e *Entry, follows *plan.FollowUp) bool {
	if follows == nil || e.Parent == "" {
		return true
	}
	parent, _ := r.latest(e.Parent)
	ours, _ := r.latest(follows.Parent.RunID)
	return e.Parent == follows.Parent.RunID || parent.Campaign == ours.Campaign && kindOf(e.Rule) == kindOf(follows.Rule)
}

// kindOf is a rule without what stands behind its colon: the fates, or the wording. Those of one run have other people.
func kindOf(rule string) string {
	kind, _, asked := strings.Cut(rule, ":")
	if asked {
		kind += ":"
	}
	return kind
}

// Elsewhere returns the runs of a campaign on other services of the same kind, oldest first. They
// used one of the API keys with these fingerprints. Runs at a simulator do not count.
func (r *Register) Elsewhere(campaign, service string, keys []string) []Entry {
	return r.atAnother(campaign, service, keys, true)
}

// OtherKeys returns the runs that Elsewhere leaves out because they used other API keys.
func (r *Register) OtherKeys(campaign, service string, keys []string) []Entry {
	return r.atAnother(campaign, service, keys, false)
}

func (r *Register) atAnother(campaign, service string, keys []string, known bool) (others []Entry) {
	want := Entry{Service: service}
	want.complete()
	for _, e := range r.runs {
		has := slices.ContainsFunc(e.Keys, func(key string) bool { return slices.Contains(keys, key) })
		if !r.inChain(&e) && has == known && e.Campaign == campaign && e.Kind == want.Kind && e.Service != service && !e.Simulator {
			r.raise(&e)
			others = append(others, e)
		}
	}
	return others
}

// Adopt adds the runs, and the progress of runs, that only the other register has.
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

// add adds a line unchanged, to every combined register.
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
	if err == nil {
		line = append(line, '\n')
		if r.open {
			line = append([]byte{'\n'}, line...)
		}
		err = r.write(line)
	}
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	r.size, r.open = r.size+int64(len(line)), false
	r.put(e)
	return nil
}

func (r *Register) write(line []byte) error {
	f, err := os.OpenFile(filepath.Join(r.dir, File), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err = f.Truncate(r.size); err == nil {
		_, err = f.WriteAt(line, r.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return disk.SyncFolder(r.dir)
}

// Reached writes the number of requests and revisions of a running run to the register in dir.
// It is called often: later a killed run's folder can be told from an older copy of it. It needs
// no lock, because only the process that holds the run's folder calls it.
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

// raise adds the latest numbers and time of Reached to an entry.
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
		_, _ = fmt.Sscan(string(text), &attempts, &revisions) // older versions wrote only the first
	}
	e.Attempts, e.Revisions = max(e.Attempts, attempts), max(e.Revisions, revisions)
	if info, err := os.Stat(reachedFile(r.dir, e.RunID)); err == nil && info.ModTime().After(e.At) {
		e.At = info.ModTime().UTC()
	}
}

func reachedFile(dir, run string) string { return filepath.Join(dir, run+".reached") }

// Close releases the register for other processes.
func (r *Register) Close() (err error) {
	for _, one := range r.all {
		err = errors.Join(err, one.Close())
	}
	if r.lock != nil {
		err = r.lock.Release()
	}
	return err
}
