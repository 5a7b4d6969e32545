package facts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/disk"
	"cohort/engine/inbox"
	"cohort/engine/plan"
)

const (
	SharedFolder = ".callbacks" // the shared inbox, in the folder of the runs
	InboxFolder  = "inbox"      // a run's own inbox, in the run's folder
	readFile     = "read.json"
	copiedAtOnce = 512 // events
	learntAtOnce = 4096

	// An event that belongs to no run in the folder stays in the shared inbox for so long.
	keptShared = 90 * 24 * time.Hour
	// A run that was planned longer ago is not waited for. Nor is one without a log, which has sent nothing.
	oldest    = 400 * 24 * time.Hour
	logFolder = "log" // that of engine/ledger
)

// Facts are the events about the messages of a run. Those of Hold may be written to, and are safe for
// concurrent use. Those of Of may only be read, by one goroutine at a time.
type Facts struct {
	dir  string // the run's folder
	rows *Rows
	most int64 // the plan's records

	partial bool  // damage of the shared inbox does not end Each
	unread  error // what Each could not read

	mu   sync.Mutex
	read progress

	opening sync.Mutex
	doing   string
	own     *inbox.Inbox // nil: nothing was put yet
}

// ErrUnread means that the shared inbox cannot be read.
var ErrUnread = errors.New("callbacks cannot be read")

// progress is what read.json holds.
type progress struct {
	Shared    inbox.Position `json:"shared,omitzero"`     // in the shared inbox
	PollBegan time.Time      `json:"poll_began,omitzero"` // of a status poll that has not ended
	Receipts  time.Time      `json:"receipts,omitzero"`   // when the service was asked for all receipts
}

// Of returns the facts of the run in dir, for reading. A process may be at work on the run.
func Of(dir string, plan *plan.Plan) *Facts {
	return &Facts{dir: dir, rows: NewRows(plan.References, plan.Records), most: plan.Records}
}

// Receives reports whether a receiver of callbacks was at work for the folder that the run in dir is in.
func Receives(dir string) bool {
	_, err := os.Stat((&Facts{dir: dir}).sharedFolder())
	return err == nil
}

// Any reports whether there may be facts about the run in dir: it has an inbox, or the folder of the runs has one.
func Any(dir string) bool {
	f := &Facts{dir: dir}
	_, err := os.Stat(f.ownFolder())
	return err == nil || Receives(dir)
}

// Hold returns the facts of the run in dir, for reading and writing. The caller holds the run's folder,
// and calls Close. doing is the command of cohort. The run's inbox is opened for writing when there is something to write.
func Hold(dir string, plan *plan.Plan, doing string) (f *Facts, err error) {
	f = Of(dir, plan)
	f.doing = doing
	f.read, err = f.progress()
	return f, err
}

func (f *Facts) Close() error {
	f.opening.Lock()
	defer f.opening.Unlock()
	if f.own == nil {
		return nil
	}
	return f.own.Close()
}

func (f *Facts) ownFolder() string    { return filepath.Join(f.dir, InboxFolder) }
func (f *Facts) sharedFolder() string { return filepath.Join(filepath.Dir(f.dir), SharedFolder) }

// Row returns the row of the message with a reference; false: the run has no such message.
func (f *Facts) Row(reference string) (int64, bool) { return f.rows.Of(reference) }

// Partial makes Each, and what rests on it, leave out what is damaged in the shared inbox. A report may, and says so. What
// decides whether to send must not.
func (f *Facts) Partial() *Facts {
	f.partial = true
	return f
}

// Unread returns what the latest Each of partial facts could not read, with file and place; nil: it read everything.
func (f *Facts) Unread() error { return f.unread }

// Each calls fn with each event about a message of the run: those in the run's own inbox, and then
// those in the shared inbox that the run has not read yet. An error of fn ends it and is returned.
func (f *Facts) Each(fn func(row int64, e *delivery.Event) error) error {
	read, err := f.progress() // before the inbox: what is copied meanwhile comes twice and not never
	if err != nil {
		return err
	}
	ours := func(_ inbox.Position, e delivery.Event) error {
		if row, ok := f.rows.Of(e.Reference); ok {
			return fn(row, &e)
		}
		return nil
	}
	if _, err := inbox.Read(f.ownFolder(), inbox.Position{}, ours); err != nil {
		return err
	}
	f.unread = nil
	from := read.Shared
	if !f.partial {
		_, err = inbox.Read(f.sharedFolder(), from, ours)
		return f.orGone(err)
	}
	past := func(damage error) { f.unread = errors.Join(f.unread, damage) }
	if _, err = inbox.ReadPast(f.sharedFolder(), from, past, ours); errors.Is(err, inbox.ErrGone) {
		f.unread = f.orGone(err)
		_, err = inbox.ReadPast(f.sharedFolder(), inbox.Position{}, past, ours)
	}
	return err
}

// orGone explains an error of the shared inbox when it is not the one that the run has read before: events that the run
// needs may be missing.
func (f *Facts) orGone(err error) error {
	if !errors.Is(err, inbox.ErrGone) {
		return err
	}
	return fmt.Errorf("%s lacks what this run has read there before: it is not mounted, or another folder is in its place. "+
		"Mount it. If it was deleted or restored on purpose, remove %s", f.sharedFolder(), filepath.Join(f.ownFolder(), readFile))
}

// Collect copies the run's new events from the shared inbox into the run's own. It calls fn, if it is
// not nil, with each of them after they are durable.
func (f *Facts) Collect(ctx context.Context, fn func(row int64, e *delivery.Event)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var events []delivery.Event
	var failed error // to put
	flush := func() error {
		if failed = f.Put(ctx, events); failed != nil {
			return failed
		}
		for i := range events {
			if row, ok := f.rows.Of(events[i].Reference); ok && fn != nil {
				fn(row, &events[i])
			}
		}
		events = events[:0]
		return nil
	}
	reached, err := inbox.Read(f.sharedFolder(), f.read.Shared, func(_ inbox.Position, e delivery.Event) error {
		if _, ours := f.rows.Of(e.Reference); !ours {
			return ctx.Err()
		}
		if events = append(events, e); len(events) < copiedAtOnce {
			return nil
		}
		return flush()
	})
	if err != nil && failed == nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrUnread, f.orGone(err))
	}
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("callbacks cannot be copied into the run's inbox: %w", err)
	}
	if reached == f.read.Shared {
		return nil
	}
	next := f.read
	next.Shared = reached
	return f.save(next)
}

// Tidy drops what the shared inbox needs no longer: every run in the same folder has read it, and it is
// older than 90 days. It does not wait for a run that has no log, or was planned more than 400 days ago.
func (f *Facts) Tidy(now time.Time) error {
	runs := filepath.Dir(f.dir)
	entries, err := os.ReadDir(runs)
	if err != nil {
		return err
	}
	needed := f.read.Shared
	for _, e := range entries {
		run := &Facts{dir: filepath.Join(runs, e.Name())}
		planned, err := os.Stat(filepath.Join(run.dir, plan.PlanFile))
		if err != nil || now.Sub(planned.ModTime()) > oldest {
			continue // no run, or one without messages, or an old one
		}
		if _, err := os.Stat(filepath.Join(run.dir, logFolder)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		read, err := run.progress()
		if err != nil {
			return err
		}
		if read.Shared.Compare(needed) < 0 {
			needed = read.Shared
		}
	}
	return inbox.Drop(f.sharedFolder(), needed, now.Add(-keptShared))
}

// Put adds events that this process has learnt, durably.
func (f *Facts) Put(ctx context.Context, events []delivery.Event) error {
	if len(events) == 0 {
		return ctx.Err()
	}
	own, err := f.open()
	if err != nil {
		return err
	}
	return own.Put(ctx, events)
}

// Ready opens the run's inbox for writing, so that one that cannot be written is noticed before a service is asked.
func (f *Facts) Ready() error {
	_, err := f.open()
	return err
}

func (f *Facts) open() (*inbox.Inbox, error) {
	f.opening.Lock()
	defer f.opening.Unlock()
	if f.own != nil {
		return f.own, nil
	}
	own, err := inbox.Open(f.ownFolder(), f.doing)
	if err != nil {
		return nil, fmt.Errorf("the run's inbox: %w", err)
	}
	f.own = own
	return own, nil
}

// News are events that this process has learnt. It may have learnt them before: a service repeats what
// it reports. One goroutine at a time may use them.
type News struct {
	facts  *Facts
	sorter *delivery.Sorter
	err    error // of Add
}

// Learn begins to collect news. Their memory does not grow with their number: they are in a temporary
// file in tmp. The caller calls Save or Close.
func (f *Facts) Learn(tmp string) (*News, error) {
	known, err := f.States(tmp)
	return &News{facts: f, sorter: known}, err
}

// Add adds an event about the message in a row. Save returns its error.
func (n *News) Add(row int64, e *delivery.Event) {
	if n.err == nil {
		n.err = n.sorter.AddNew(row, e)
	}
}

// Save puts the events that the run does not have yet into its inbox, and closes n.
func (n *News) Save(ctx context.Context) error {
	defer n.Close()
	if n.err != nil {
		return n.err
	}
	var events []delivery.Event
	n.sorter.New = func(e *delivery.Event) error {
		events = append(events, *e)
		if len(events) < learntAtOnce {
			return nil
		}
		err := n.facts.Put(ctx, events)
		events = events[:0]
		return err
	}
	for _, err := range n.sorter.All() {
		if err != nil {
			return err
		}
	}
	return n.facts.Put(ctx, events)
}

// Close forgets the events.
func (n *News) Close() { _ = n.sorter.Close() }

// PollBegan returns when the status poll began that has not ended; zero: there is none.
func (f *Facts) PollBegan() (time.Time, error) {
	read, err := f.progress()
	return read.PollBegan, err
}

// SetPollBegan notes that a status poll began, or with the zero time that it has ended.
func (f *Facts) SetPollBegan(t time.Time) error {
	return f.note(func(p *progress) { p.PollBegan = t })
}

// Receipts returns when the service was last asked for the receipts of every day, and all of them were taken up; zero:
// never.
func (f *Facts) Receipts() (time.Time, error) {
	read, err := f.progress()
	return read.Receipts, err
}

// SetReceipts notes that the receipts of every day were asked for from t on, and are in the inbox.
func (f *Facts) SetReceipts(t time.Time) error {
	return f.note(func(p *progress) { p.Receipts = t })
}

func (f *Facts) note(change func(*progress)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.read
	change(&next)
	return f.save(next)
}

func (f *Facts) progress() (p progress, err error) {
	path := filepath.Join(f.ownFolder(), readFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return p, err
}

func (f *Facts) save(next progress) error {
	err := disk.MakeFolder(f.ownFolder())
	if err != nil {
		return err
	}
	err = disk.WriteFile(filepath.Join(f.ownFolder(), readFile), func(w io.Writer) error { return json.NewEncoder(w).Encode(next) })
	if err == nil {
		f.read = next
	}
	return err
}

// States collects all events of the run: All then yields the states of its messages. Memory does not
// grow with their number: they are in a temporary file in tmp. The caller calls Close.
func (f *Facts) States(tmp string) (*delivery.Sorter, error) {
	sorter, err := delivery.NewSorter(tmp, f.most)
	if err != nil {
		return nil, err
	}
	if err := f.Each(sorter.Add); err != nil {
		return nil, errors.Join(err, sorter.Close())
	}
	return sorter, nil
}
