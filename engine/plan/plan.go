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
)

// The files of a plan. The first holds the batches; the second holds the rest and the
// first one's digest, and comes into being by a rename: a folder that has it has a
// whole plan.
const (
	BatchesFile = "plan.batches"
	PlanFile    = "plan.json"
	planVersion = 2 // 1 without routes: what an older version reads
)

// ErrNoPlan says that a folder holds no sealed plan: nothing was ever sent from it.
var ErrNone = errors.New("there is no sealed plan here")

// PlanChangedError says that plan.json is not the one that the run's log was begun with. The
// log is not to blame, and nothing may take its place.
type ChangedError struct {
	Has, Logged [32]byte // digests of plan.json as it is, and as the log names it
}

// Error names the file and both digests.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s has SHA-256 %x, and the run's log was begun with %x", PlanFile, e.Has[:8], e.Logged[:8])
}

// Plan is what a resumed run must share with the first: who, what, through which
// service, in which batches. It is sealed on disk before the first attempt and never
// changes.
type Plan struct {
	Header
	Run    engine.RunID
	Digest [32]byte // of plan.json, which holds the digests of everything else
	file   *os.File
	pages  pages // of file
}

// PlanHeader is plan.json.
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
	ShardStarts   []int              `json:"shard_starts"`     // the first batch of each shard, as a Source counts them
	Routes        []Route            `json:"routes,omitempty"` // none: the campaign has no routes
	Lists         []ListRead         `json:"lists,omitempty"`  // the suppression lists that were applied
	Reach         *ReachRead         `json:"reach,omitempty"`  // who has the NHS App, as the cohort was read with
	Earlier       []EarlierRun       `json:"earlier_runs,omitempty"`
	RestOf        string             `json:"rest_of,omitempty"`     // the campaigns whose people a person has left out
	SendAgain     string             `json:"send_again,omitempty"`  // the reason a person gave
	BeganAgain    bool               `json:"began_again,omitempty"` // the run was begun before, and its folder is lost
	NeverAgain    bool               `json:"never_again,omitempty"` // the service would take a message twice: what is in doubt is held from the start
}

// Cohort is what a run sends: one file, or several in their order.
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

// ReachRead is what was known of who has the NHS App: the reports of a day, and of how many
// of the cohort's practices there was one.
type ReachRead struct {
	Day      string `json:"day"`    // UTC
	SHA256   string `json:"sha256"` // of the reports, as they were fixed for the reading
	Reported int    `json:"practices_with_report"`
	Missing  int    `json:"practices_without_report"`
	Refused  int    `json:"practices_unknown_to_the_service"`
}

// EarlierRun is a run whose people this plan leaves out: of the same campaign, or of one of RestOf.
type EarlierRun struct {
	RunID  string `json:"run_id"`
	Folder string `json:"folder"`
}

// PlannedBatch is one batch of a plan.
type Batch struct {
	Form
	Number  uint32 // over all shards
	Shard   uint32
	Ordinal uint32 // within its shard
}

// plannedSize is the length of one batch in plan.batches: six 32-bit integers (shard,
// ordinal, from, to, messages, bytes) and the SHA-256 of the body, little endian.
const plannedSize = 6*4 + 32

func (b *Batch) appendTo(dst []byte) []byte {
	for _, v := range []uint32{b.Shard, b.Ordinal, b.From, b.To, b.Messages, b.Bytes} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	return append(dst, b.SHA256[:]...)
}

func (b *Batch) readFrom(src []byte) {
	for i, v := range []*uint32{&b.Shard, &b.Ordinal, &b.From, &b.To, &b.Messages, &b.Bytes} {
		*v = binary.LittleEndian.Uint32(src[4*i:])
	}
	copy(b.SHA256[:], src[24:])
}

// Seal writes a plan into dir: the batches, then the header, each synced before the
// next. When it returns the plan is on disk whole. before runs just ahead of the
// rename that makes the plan valid.
func Seal(dir string, header Header, batches [][]Batch, before func() error) error {
	if header.Version = planVersion; len(header.Routes) == 0 {
		header.Version = 1
	}
	header.ShardStarts = header.ShardStarts[:0]
	sum := sha256.New()
	err := disk.WriteFile(filepath.Join(dir, BatchesFile), func(w io.Writer) error {
		out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
		var line []byte
		for _, shard := range batches {
			header.ShardStarts = append(header.ShardStarts, header.BatchCount)
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

// OpenPlan reads the sealed plan in dir and checks its digests. ErrNoPlan says that
// there is none.
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
		return nil, fmt.Errorf("%s has format %d and this version of cohort knows %d; use the newer version", filepath.Join(dir, PlanFile), p.Version, planVersion)
	}
	if p.Run, err = engine.ParseRunID(p.RunID); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, PlanFile), err)
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

// Close lets go of the plan's file.
func (p *Plan) Close() error { return p.file.Close() }

// Batches is how many batches the plan has.
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

// ShardBatches is the range of batches of one shard.
func (p *Plan) ShardBatches(shard int) (from, to uint32) {
	end := p.BatchCount
	if shard+1 < len(p.ShardStarts) {
		end = p.ShardStarts[shard+1]
	}
	return uint32(p.ShardStarts[shard]), uint32(end)
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
