package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"cohort/bench"
)

// Options say what is measured.
type Options struct {
	Records int
	Seed    uint64
	Runs    int      // rounds; each figure is the median over them
	Only    []string // names of parts; all when empty
	Sizes   []int    // records of the cohorts that the whole prepare is measured on
	Parent  string   // the folder in which the files are made; the system's temporary one when empty
	Keep    bool     // leave the files there

	// Child runs a task in a process of its own, on so many cores.
	Child func(ctx context.Context, cores int, t Task) (Result, error)
	// Say tells a person what is going on.
	Say func(format string, args ...any)
}

// Measure makes the cohort, measures the parts, and removes what it has made. It stops
// at the first part that fails; one that counts wrongly is a *Miscount.
func Measure(ctx context.Context, o Options) (_ Report, err error) {
	some, err := chosen(o.Only)
	if err != nil {
		return Report{}, err
	}
	folder, err := os.MkdirTemp(o.Parent, "cohort-bench-")
	if err != nil {
		return Report{}, err
	}
	if o.Keep {
		o.Say("the files stay in %s", folder)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	report := Report{Machine: bench.ThisMachine(), DuckDB: duckDBVersion(ctx), Runs: o.Runs, Seed: o.Seed}
	b := &bencher{Options: o, folder: folder, cores: report.Machine.Cores}
	room, needed := free(folder), needs(o.Records)
	if room < needed {
		return Report{}, fmt.Errorf("%d records need %d MB of disk and there are %d MB; say fewer with -n, or another folder with --keep or TMPDIR", o.Records, needed/1e6, room/1e6)
	}
	measured, truth, err := b.cohort(ctx, o.Records, cells(some, b.cores), packings(some))
	if err != nil {
		return Report{}, err
	}
	report.Cohort, report.Rows = truth, measured
	report.Sizes, err = b.sizes(ctx, report)
	return report, err
}

// bencher measures in one folder.
type bencher struct {
	Options
	folder string
	cores  int
}

// sizes measures the whole prepare on cohorts of several sizes, unless it is not among
// the parts that are wanted.
func (b *bencher) sizes(ctx context.Context, main Report) ([]Row, error) {
	at := main.find(prepare, b.cores)
	if at < 0 {
		return nil, nil
	}
	two, err := chosen([]string{prepare})
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, records := range slices.Compact(slices.Sorted(slices.Values(b.Sizes))) {
		if records == b.Records { // that has been measured
			rows = append(rows, main.Rows[at])
			continue
		}
		if room, needed := free(b.folder), needs(records); room < needed {
			rows = append(rows, Row{Part: prepare, Words: wholeWord, Records: int64(records), Cores: b.cores,
				Absent: fmt.Sprintf("skipped: %d MB of disk are needed and %d MB are free", needed/1e6, room/1e6)})
			continue
		}
		var few []cell
		for _, p := range two {
			few = append(few, cell{p, b.cores})
		}
		measured, _, err := b.cohort(ctx, records, few, nil)
		if err != nil {
			return nil, err
		}
		for _, r := range measured {
			if r.Part == prepare {
				rows = append(rows, r)
			}
		}
	}
	return rows, nil
}

// cohort makes a cohort, measures cells on it, and removes it.
func (b *bencher) cohort(ctx context.Context, records int, cells []cell, packings []packing) (_ []Row, _ Counts, err error) {
	folder := filepath.Join(b.folder, strconv.Itoa(records))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, nil, err
	}
	if !b.Keep {
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	b.Say("making a cohort of %d records", records)
	m, err := makeMaterial(ctx, folder, records, b.Seed, packings...)
	if err != nil {
		return nil, nil, err
	}
	rounds := make([][]Result, b.Runs)
	for i := range rounds {
		for _, c := range cells {
			b.Say("round %d of %d, %d records: %s, GOMAXPROCS %d", i+1, b.Runs, records, c.part.name, c.cores)
			r, err := b.run(ctx, m, c)
			if err != nil {
				return nil, nil, fmt.Errorf("the part %s: %w", c.part.name, err)
			}
			rounds[i] = append(rounds[i], r)
		}
	}
	return tabulate(cells, rounds, m.truth), m.truth, nil
}

// run has a child run a cell once, and checks what it counted.
func (b *bencher) run(ctx context.Context, m material, c cell) (Result, error) {
	spool, err := os.MkdirTemp(m.folder, "spool-")
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = os.RemoveAll(spool) }()
	r, err := b.Child(ctx, c.cores, Task{Part: c.part.name, File: m.file(c.part.packing), List: m.list(), Folder: spool})
	if err == nil && r.Absent == "" {
		err = r.Counts.against(m.truth, c.part.counts)
	}
	return r, err
}

// needs is about how many bytes of disk a cohort takes, with its packed forms and one
// spool.
func needs(records int) int64 { return int64(records) * 300 }

// free is how many bytes of disk there are.
func free(folder string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(folder, &fs) != nil {
		return 1 << 62 // whatever is wrong shows soon enough
	}
	return int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // their widths differ between machines
}
