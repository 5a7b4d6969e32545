package followup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// Folder holds the notes of a run's follow-ups, in the run's folder.
const Folder = "followups"

const noteEnd = ".note" // ends the name of a note, behind the follow-up's run id

// Note says which rows of its parent a follow-up takes. It is durable before the follow-up has a folder. It holds
// no personal data.
type Note struct {
	RunID  string `json:"run_id"`
	Folder string `json:"folder"`
	Step
	At     time.Time `json:"at"`
	People int64     `json:"people"`
	SHA256 string    `json:"rows_sha256"`

	rows    rows
	givenUp bool               // another run takes its place
	now     []campaign.Setting // of the campaign of this call
}

// Step describes a follow-up: by a rule, a campaign.
type Step struct {
	Rule     string `json:"rule"`
	Campaign string `json:"campaign,omitempty"`
}

// Shares reports whether two steps must not take the same people of a run.
func (s Step) Shares(other Step) bool {
	return Share(s.Rule, other.Rule) || s.Campaign != "" && s.Campaign == other.Campaign
}

// FolderOf finds the folder of a run. The refusal run_gone says that the run is in no folder.
type FolderOf func(plan.EarlierRun) (string, error)

// Notes are the notes of a run's follow-ups. Who has them locked may change them.
type Notes struct {
	dir  string
	lock *disk.Lock // nil: only for reading
	All  []*Note
}

// OpenNotes reads the notes in the folder of a run. With lock, it keeps others from changing them until Release.
func OpenNotes(dir string, records int64, lock bool) (n *Notes, err error) {
	n = &Notes{dir: filepath.Join(dir, Folder)}
	if lock {
		if err := disk.MakeFolder(n.dir); err != nil {
			return nil, refusal.New("folder_unwritable", "cause", err)
		}
		n.lock, err = disk.Acquire(filepath.Join(n.dir, runfolder.LockFile), "followup")
		if held := (*disk.HeldError)(nil); errors.As(err, &held) {
			return nil, refusal.New("followup_busy", "folder", dir, "cause", held)
		}
		if err != nil {
			return nil, refusal.New("folder_unlockable", "cause", err)
		}
	}
	if err = n.read(records); err != nil {
		n.Release()
	}
	return n, err
}

// Release unlocks the notes. It may be called again.
func (n *Notes) Release() {
	if n.lock != nil {
		_ = n.lock.Release()
		n.lock = nil
	}
}

// GiveUp leaves a run out of the notes in memory. Another run takes its place.
func (n *Notes) GiveUp(run string) {
	for _, note := range n.All {
		note.givenUp = note.givenUp || note.RunID == run
	}
}

// SendBy says which campaign the follow-up of this call sends. A plan by other settings is forgotten if it sent nothing.
func (n *Notes) SendBy(frozen []campaign.Setting) {
	for _, note := range n.All {
		note.now = frozen
	}
}

func (n *Notes) path(run string) string { return filepath.Join(n.dir, run+noteEnd) }

// HasNote reports whether the run in dir knows a follow-up.
func HasNote(dir, run string) bool {
	return runfolder.Exists((&Notes{dir: filepath.Join(dir, Folder)}).path(run))
}

func (n *Notes) read(records int64) error {
	files, err := os.ReadDir(n.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refusal.New("folder_unreadable", "cause", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), noteEnd) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(n.dir, f.Name()))
		if err != nil {
			return refusal.New("folder_unreadable", "cause", err)
		}
		head, rows, _ := bytes.Cut(text, []byte("\n"))
		note := &Note{rows: rows}
		err = json.Unmarshal(head, note)
		sum := sha256.Sum256(rows)
		if err != nil || hex.EncodeToString(sum[:]) != note.SHA256 || len(rows) != len(newRows(records)) {
			return runfolder.Damaged(fmt.Errorf("%s is damaged; bring it back from a copy", filepath.Join(n.dir, f.Name())))
		}
		n.All = append(n.All, note)
	}
	return nil
}

// IsOnly reports whether a rule is for people whom the parent has not reached.
func IsOnly(rule string) bool { return strings.HasPrefix(rule, "only:") }

// Share reports whether two rules must not take the same people.
func Share(a, b string) bool { return a == b || IsOnly(a) && IsOnly(b) }

// Taken returns the rows that follow-ups have taken, for a step.
func (n *Notes) Taken(step Step, records int64) rows {
	all := newRows(records)
	for _, note := range n.All {
		if note.Shares(step) && !note.givenUp {
			all.union(note.rows)
		}
	}
	return all
}

// AnyOnly returns a follow-up of people whom the run has not reached.
func (n *Notes) AnyOnly() (*Note, bool) {
	for _, note := range n.All {
		if IsOnly(note.Rule) {
			return note, true
		}
	}
	return nil, false
}

// Settle looks at the earlier follow-ups that share with a step. It refuses another while one of them can still send,
// or when nobody can say whom it has taken. It forgets those that a crash left without a plan: they sent nothing.
func (n *Notes) Settle(reg *register.Register, parent string, step Step, folderOf FolderOf, log *slog.Logger) error {
	for _, e := range reg.Runs() {
		has := func(note *Note) bool { return note.RunID == e.RunID }
		at := slices.IndexFunc(n.All, has)
		if at >= 0 {
			n.All[at].Campaign = e.Campaign // a note of an older version does not have it
		} else if e.Parent == parent && step.Shares(Step{e.Rule, e.Campaign}) {
			return refusal.New("followup_unknown", "run", e.RunID[:8], "rule", e.Rule, "folder", n.dir)
		}
	}
	kept := n.All[:0]
	for _, note := range n.All {
		began := true
		if note.Shares(step) && !note.givenUp {
			var err error
			_, known := reg.Run(note.RunID)
			if began, err = note.settled(reg, known, folderOf); err == nil && !began && n.lock != nil {
				err = n.forget(note, log)
			}
			if err != nil {
				return err
			}
		}
		if began {
			kept = append(kept, note)
		}
	}
	n.All = kept
	return nil
}

// settled refuses a follow-up that can still send. began is false if the register does not know it, and it has no plan,
// can never begin, or has the settings of another campaign file.
func (note *Note) settled(reg *register.Register, known bool, folderOf FolderOf) (began bool, err error) {
	folder, err := folderOf(plan.EarlierRun{RunID: note.RunID, Folder: note.Folder})
	var planned *plan.Plan
	if err == nil {
		planned, err = plan.Open(folder)
	}
	switch {
	case !known && (errors.Is(err, plan.ErrNone) || refusal.Code(err) == "run_gone"):
		return false, nil
	case err != nil:
		return true, refusal.New("followup_gone", "run", note.RunID[:8], "rule", note.Rule, "folder", note.Folder)
	}
	defer func() { _ = planned.Close() }()
	folded, err := ledger.Read(folder, planned)
	if err != nil {
		return true, runfolder.Unsound(folder, err)
	}
	if !known && folded.Facts().Attempts == 0 && runfolder.Same(folder, note.Folder) &&
		(hasRival(reg, planned) || campaign.Compare(planned.Frozen, note.now) != nil) {
		return false, nil
	}
	live, held, foreign := folded.Unsettled()
	over := live == 0 && foreign == 0 && (folded.Facts().Closed || held > 0) || folded.Facts().Superseded != ""
	if !over {
		err = refusal.New("followup_unfinished", "run", note.RunID[:8], "rule", note.Rule, "folder", folder,
			"command", refusal.Command("resume", folder))
	}
	return true, err
}

// hasRival reports whether a run of another chain has begun that a plan does not take into account. Such a plan never
// begins.
func hasRival(reg *register.Register, p *plan.Plan) bool {
	return slices.ContainsFunc(reg.Others(p.Campaign, p.Service, p.RunID, p.FollowUp), func(e register.Entry) bool {
		return !slices.ContainsFunc(p.Earlier, func(was plan.EarlierRun) bool { return was.RunID == e.RunID })
	})
}

// forget removes what a follow-up that never began has left.
func (n *Notes) forget(note *Note, log *slog.Logger) error {
	c, err := runfolder.ReadCall(note.Folder)
	if err == nil && c.RunID == note.RunID || err != nil && runfolder.Exists(note.Folder) {
		held, err := runfolder.Hold(note.Folder, "followup", true, log)
		if err != nil {
			return err
		}
		if planned, err := plan.Open(note.Folder); err == nil { // nobody may have sent by it since
			folded, err := ledger.Read(note.Folder, planned)
			_ = planned.Close()
			if err != nil || folded.Facts().Attempts > 0 {
				held.Release()
				return refusal.New("followup_busy", "folder", n.dir, "cause", "run "+note.RunID[:8]+" has begun")
			}
		}
		for _, name := range []string{ledger.RevisionsFolder, ledger.LogFolder, plan.PlanFile} {
			if err := os.RemoveAll(held.File(name)); err != nil {
				held.Release()
				return refusal.New("folder_unwritable", "cause", err)
			}
		}
		held.Discard()
		held.Release()
	}
	if err := os.Remove(n.path(note.RunID)); err != nil {
		return refusal.New("folder_unwritable", "cause", err)
	}
	log.Info("a follow-up was stopped before it began; it sent nothing and is forgotten", event.FollowUpForgotten, "other_run", note.RunID[:8])
	return disk.SyncFolder(n.dir)
}

// Add notes the people of a follow-up, durably. Its folder is made afterwards.
func (n *Notes) Add(run, folder string, step Step, s *Selection) error {
	sum := sha256.Sum256(s.rows)
	note := &Note{
		RunID: run, Folder: folder, Step: step, At: time.Now().UTC().Truncate(time.Second),
		People: s.Due, SHA256: hex.EncodeToString(sum[:]), rows: s.rows,
	}
	err := disk.WriteFile(n.path(run), func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(note); err != nil {
			return err
		}
		_, err := w.Write(s.rows)
		return err
	})
	if err != nil {
		return refusal.New("folder_unwritable", "cause", err)
	}
	n.All = append(n.All, note)
	return nil
}
