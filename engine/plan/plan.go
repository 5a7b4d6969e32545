// Package plan has what is frozen before the first attempt: the batches, and what identifies the run.
package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
)

// The files of a plan. PlanFile has the digest of BatchesFile and is renamed into place, so a folder with PlanFile has
// a whole plan.
const (
	BatchesFile = "plan.batches"
	PlanFile    = "plan.json"
)

// Version is the format of plan.json that is written, and Oldest the oldest that is read. Before 3 the references were
// others, see decision 22. Before 2 there were no routes.
const (
	Version = 3
	Oldest  = 1
)

// ErrDamaged reports that plan.batches does not have the digest in plan.json.
var ErrDamaged = errors.New("it is not the file that plan.json was sealed with")

// ErrNone says that a folder has no sealed plan: nothing was ever sent from it.
var ErrNone = errors.New("there is no sealed plan here")

// ChangedError says that plan.json is not the plan that the run's log began with. The log is sound, and must stay.
type ChangedError struct {
	Has, Logged [32]byte // digests of plan.json now, and in the log
}

// Error names the file and both digests.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s has SHA-256 %x, and the run's log was begun with %x", PlanFile, e.Has[:8], e.Logged[:8])
}

// Plan has everything that a resumed run must share with the first start. It is sealed on disk before the first
// attempt and never changes.
type Plan struct {
	Header
	Run        engine.RunID
	References engine.References
	Digest     [32]byte // of plan.json, which holds the digests of everything else
	file       *os.File
	batchSize  int   // in file
	pages      pages // of file
}

// Header is plan.json.
type Header struct {
	Version  int                `json:"version"`
	RunID    string             `json:"run_id"`
	Campaign string             `json:"campaign"`
	Service  string             `json:"service"`
	Cohort   Cohort             `json:"cohort"`
	Created  time.Time          `json:"created"`
	Frozen   []campaign.Setting `json:"frozen"`
	Template string             `json:"template_version"` // fingerprint of what is rendered
	Spool    string             `json:"spool_sha256"`     // of the spool's manifest
	Records  int64              `json:"records"`
	Static   map[string]int64   `json:"fates_before_sending"` // invalid, duplicate, suppressed
	Extent
	Routes     []Route      `json:"routes,omitempty"` // none: the campaign has no routes
	Lists      []ListRead   `json:"lists,omitempty"`  // the suppression lists that were applied
	Reach      *ReachRead   `json:"reach,omitempty"`  // reports on the NHS App that the cohort was read with
	Earlier    []EarlierRun `json:"earlier_runs,omitempty"`
	RestOf     string       `json:"rest_of,omitempty"`          // campaigns; a person excluded their people
	SendAgain  string       `json:"send_again,omitempty"`       // the reason a person gave
	BeganAgain bool         `json:"began_again,omitempty"`      // the run was begun before, and its folder is lost
	OlderNames bool         `json:"older_references,omitempty"` // it was begun again, and first with a plan before version 3
	NeverAgain bool         `json:"never_again,omitempty"`      // the service does not deduplicate; see Kind
	FollowUp   *FollowUp    `json:"follow_up,omitempty"`        // nil: the run is the first of its chain
}

// FollowUp says that a run sends to people of another run, its parent.
type FollowUp struct {
	Parent   EarlierRun `json:"parent"`
	Rule     string     `json:"rule"`                // a rule of the parent's campaign file, or what was asked for, such as only:refused
	Root     string     `json:"root"`                // id of the first run of the chain
	Reason   string     `json:"reason,omitempty"`    // that a person gave
	Unless   []string   `json:"unless,omitempty"`    // news of the parent's message that makes this one needless
	NotAfter string     `json:"not_after,omitempty"` // a column of the parent with the last day for each person
	WithNews int64      `json:"with_news,omitempty"` // accepted messages of the parent that the service had told of
}

// String says what a run follows up; empty: nothing.
func (f *FollowUp) String() string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("of run %.8s by %s", f.Parent.RunID, f.Rule)
}

// Root returns the id of the first run of the run's chain: its own, unless it is a follow-up.
func (h *Header) Root() string {
	if h.FollowUp != nil {
		return h.FollowUp.Root
	}
	return h.RunID
}

// Cohort is the input of a run: one file, or several in their order.
type Cohort struct {
	SHA256 string       `json:"sha256"` // of the file, or of the files' digests when there are several
	Bytes  int64        `json:"bytes"`
	Files  []CohortFile `json:"files"`
}

// CohortFile is one file of a cohort.
type CohortFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// ReachRead describes the reports of a day on who has the NHS App.
type ReachRead struct {
	Day      string `json:"day"`    // UTC
	SHA256   string `json:"sha256"` // of the reports
	Reported int    `json:"practices_with_report"`
	Missing  int    `json:"practices_without_report"`
	Refused  int    `json:"practices_unknown_to_the_service"`
}

// EarlierRun is a run of the same campaign, or of one in RestOf. This plan excludes its people.
type EarlierRun struct {
	RunID  string `json:"run_id"`
	Folder string `json:"folder"`
}

// Seal writes a plan into dir: the batches, then the header, each synced before the next. After nil, the whole plan is
// on disk. Before, if not nil, runs just ahead of the rename that makes the plan valid.
func Seal(dir string, header Header, batches *Batches, before func() error) error {
	header.Version, header.Extent = Version, batches.Extent
	sum := sha256.New()
	err := disk.WriteFile(filepath.Join(dir, BatchesFile), func(w io.Writer) error {
		_, err := io.Copy(io.MultiWriter(w, sum), batches.read())
		return err
	})
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	header.BatchesSHA256 = hex.EncodeToString(sum.Sum(nil))
	text, err := json.MarshalIndent(header, "", "  ")
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if before == nil {
		before = func() error { return nil }
	}
	err = disk.Replace(filepath.Join(dir, PlanFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	}, before)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

// Open reads the sealed plan in dir. ErrNone says that there is none. Each checks the digest of the batches.
func Open(dir string) (*Plan, error) {
	text, err := os.ReadFile(filepath.Join(dir, PlanFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p := &Plan{Digest: sha256.Sum256(text)}
	err = json.Unmarshal(text, &p.Header)
	if p.Version > Version { // its other fields may have other types
		return nil, fmt.Errorf("%s has format %d, and this version of cohort reads %d to %d: %w",
			filepath.Join(dir, PlanFile), p.Version, Oldest, Version, disk.ErrNewer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, PlanFile), err)
	}
	if p.Run, err = engine.ParseRunID(p.RunID); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, PlanFile), err)
	}
	if p.References = p.Run.References(); p.Version < 3 || p.OlderNames {
		p.References = p.Run.OlderReferences()
	}
	if p.batchSize = batchSize; p.Version < 3 {
		p.batchSize = olderBatchSize
	}
	if p.file, err = os.Open(filepath.Join(dir, BatchesFile)); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if info, err := p.file.Stat(); err != nil || info.Size() != int64(p.BatchCount*p.batchSize) || !p.isSound() {
		_ = p.file.Close()
		return nil, fmt.Errorf("%s is damaged: %w", p.file.Name(), cmp.Or(err, ErrDamaged))
	}
	return p, nil
}

// Close closes the plan's file.
func (p *Plan) Close() error { return p.file.Close() }

// Kind returns the kind of the service, as the plan was made for it.
func (h *Header) Kind() engine.Kind {
	if h.NeverAgain {
		return engine.CanBeAsked
	}
	return engine.Deduplicates
}

// Batches returns the number of batches.
func (p *Plan) Batches() int { return p.BatchCount }

// Batch reads one batch of the plan. It is safe for concurrent use.
func (p *Plan) Batch(number uint32) (b Batch, err error) {
	if int64(number) >= int64(p.BatchCount) {
		err = io.EOF
	} else {
		b, err = p.pages.read(p, number)
	}
	if err != nil {
		return b, fmt.Errorf("plan: batch %d: %w", number, err)
	}
	return b, nil
}

// Each yields the batches in order. It may end with ErrDamaged: then no batch is to be used. Whoever folds the log of a
// run comes by here.
func (p *Plan) Each() iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		sum := sha256.New()
		in := io.TeeReader(io.NewSectionReader(p.file, 0, int64(p.BatchCount*p.batchSize)), sum)
		for b, err := range p.each(in, p.batchSize) {
			if !yield(b, err) || err != nil {
				return
			}
		}
		if err := p.check(sum); err != nil {
			yield(Batch{}, err)
		}
	}
}

// Verify reads all batches and checks their digest.
func (p *Plan) Verify() error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(p.file, 0, int64(p.BatchCount*p.batchSize))); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return p.check(sum)
}

func (p *Plan) check(sum hash.Hash) error {
	if hex.EncodeToString(sum.Sum(nil)) != p.BatchesSHA256 {
		return fmt.Errorf("%s is damaged: %w", p.file.Name(), ErrDamaged)
	}
	return nil
}

// Remembered is the time for which NHS Notify knows a reference: nine months of at least 30 days.
const Remembered = 270 * 24 * time.Hour

// Forgotten returns the plan's age in days when NHS Notify may no longer know its references. It
// is 0 before that, and where no service has to remember any: the NHS App takes a message twice,
// and files and the simulator of a rehearsal are no memory.
func (p *Plan) Forgotten(now time.Time) (days int) {
	kind, address, _ := strings.Cut(p.Service, " ")
	age := now.Sub(p.Created)
	if kind != "notify" || address == "simulator" || age <= Remembered {
		return 0
	}
	return int(age.Hours() / 24)
}
