// Package plan has what is frozen before the first attempt: the batches, and what identifies the run.
package plan

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
	"cohort/ingest/person"
)

// The files of a plan. PlanFile has the digest of BatchesFile and is renamed into place, so a folder with PlanFile has
// a whole plan.
const (
	BatchesFile = "plan.batches"
	PlanFile    = "plan.json"
	planVersion = 3 // see decision 22; before 2 there were no routes
)

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
	pages      pages // of file
}

// Header is plan.json.
type Header struct {
	Version       int                `json:"version"`
	RunID         string             `json:"run_id"`
	Campaign      string             `json:"campaign"`
	Service       string             `json:"service"`
	Cohort        Cohort             `json:"cohort"`
	Created       time.Time          `json:"created"`
	Frozen        []campaign.Setting `json:"frozen"`
	Template      string             `json:"template_version"` // fingerprint of what is rendered
	Spool         string             `json:"spool_sha256"`     // of the spool's manifest
	Records       int64              `json:"records"`
	Static        map[string]int64   `json:"fates_before_sending"` // invalid, duplicate, suppressed
	Messages      int64              `json:"messages"`
	BatchCount    int                `json:"batches"`
	BatchesSHA256 string             `json:"batches_sha256"`
	Largest       int                `json:"largest_batch"`    // in messages
	LargestBody   int                `json:"largest_body"`     // in bytes
	LaneStarts    []int              `json:"shard_starts"`     // the first batch of each lane
	Routes        []Route            `json:"routes,omitempty"` // none: the campaign has no routes
	Lists         []ListRead         `json:"lists,omitempty"`  // the suppression lists that were applied
	Reach         *ReachRead         `json:"reach,omitempty"`  // reports on the NHS App that the cohort was read with
	Earlier       []EarlierRun       `json:"earlier_runs,omitempty"`
	RestOf        string             `json:"rest_of,omitempty"`          // campaigns; a person excluded their people
	SendAgain     string             `json:"send_again,omitempty"`       // the reason a person gave
	BeganAgain    bool               `json:"began_again,omitempty"`      // the run was begun before, and its folder is lost
	OlderNames    bool               `json:"older_references,omitempty"` // it was begun again, and first with a plan before version 3
	NeverAgain    bool               `json:"never_again,omitempty"`      // the service does not deduplicate; see Kind
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

// Batch is one batch of a plan.
type Batch struct {
	Form
	Number  uint32 // over all lanes
	Lane    person.Lane
	Ordinal uint32 // within its lane
}

// plannedSize is the length of one batch in plan.batches: six 32-bit integers (lane, ordinal, from, to, messages,
// bytes), little endian, and the digest of the body.
const plannedSize = 6*4 + 32

func (b *Batch) appendTo(dst []byte) []byte {
	for _, v := range []uint32{uint32(b.Lane), b.Ordinal, b.From, b.To, b.Messages, b.Bytes} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	return append(dst, b.Digest[:]...)
}

func (b *Batch) readFrom(src []byte) {
	b.Lane = person.Lane(binary.LittleEndian.Uint32(src))
	for i, v := range []*uint32{&b.Ordinal, &b.From, &b.To, &b.Messages, &b.Bytes} {
		*v = binary.LittleEndian.Uint32(src[4+4*i:])
	}
	copy(b.Digest[:], src[24:])
}

// Seal writes a plan into dir: the batches, then the header, each synced before the next. After nil, the whole plan is
// on disk. Before, if not nil, runs just ahead of the rename that makes the plan valid.
func Seal(dir string, header Header, batches [][]Batch, before func() error) error {
	header.Version = planVersion
	header.LaneStarts = header.LaneStarts[:0]
	sum := sha256.New()
	err := disk.WriteFile(filepath.Join(dir, BatchesFile), func(w io.Writer) error {
		out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
		var line []byte
		for _, shard := range batches {
			header.LaneStarts = append(header.LaneStarts, header.BatchCount)
			for i := range shard {
				b := &shard[i]
				header.BatchCount++
				header.Messages += int64(b.Messages)
				header.Largest = max(header.Largest, int(b.Messages))
				header.LargestBody = max(header.LargestBody, int(b.Bytes))
				line = b.appendTo(line[:0])
				if _, err := out.Write(line); err != nil {
					return err
				}
			}
		}
		return out.Flush()
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

// Open reads the sealed plan in dir and checks its digests. ErrNone says that there is none.
func Open(dir string) (*Plan, error) {
	text, err := os.ReadFile(filepath.Join(dir, PlanFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p := &Plan{Digest: sha256.Sum256(text)}
	if err := json.Unmarshal(text, &p.Header); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, PlanFile), err)
	}
	if p.Version > planVersion {
		return nil, fmt.Errorf("%s has format %d and this version of cohort knows %d; use the newer version",
			filepath.Join(dir, PlanFile), p.Version, planVersion)
	}
	if p.Run, err = engine.ParseRunID(p.RunID); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, PlanFile), err)
	}
	if p.References = p.Run.References(); p.Version < 3 || p.OlderNames {
		p.References = p.Run.OlderReferences()
	}
	if p.file, err = os.Open(filepath.Join(dir, BatchesFile)); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, p.file)
	if err == nil && (n != int64(p.BatchCount)*plannedSize || hex.EncodeToString(sum.Sum(nil)) != p.BatchesSHA256) {
		err = errors.New("it is not the file that plan.json was sealed with")
	}
	if err != nil {
		_ = p.file.Close()
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, BatchesFile), err)
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
func (p *Plan) Batch(number uint32) (Batch, error) {
	b := Batch{Number: number}
	if err := p.pages.read(p.file, p.BatchCount, &b); err != nil {
		return b, fmt.Errorf("plan: batch %d: %w", number, err)
	}
	return b, nil
}

// Each yields the batches in order.
func (p *Plan) Each() iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		in := bufio.NewReaderSize(io.NewSectionReader(p.file, 0, int64(p.BatchCount)*plannedSize), 1<<16)
		var raw [plannedSize]byte
		for i := range p.BatchCount {
			b := Batch{Number: uint32(i)}
			_, err := io.ReadFull(in, raw[:])
			if err != nil {
				err = fmt.Errorf("plan: batch %d: %w", i, err)
			}
			b.readFrom(raw[:])
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// LaneBatches returns the range of batches of a lane: from up to and not including to.
func (p *Plan) LaneBatches(lane person.Lane) (from, to uint32) {
	end := p.BatchCount
	if int(lane)+1 < len(p.LaneStarts) {
		end = p.LaneStarts[lane+1]
	}
	return uint32(p.LaneStarts[lane]), uint32(end)
}

// Remembered is how long NHS Notify is relied upon to know a reference: nine months, less the days
// by which months differ.
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
