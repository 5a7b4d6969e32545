package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// floorTables measures the stages of a send, each beside the least that any program must do
// for it: read the bytes, write them, or move them through sockets.
func floorTables(ctx context.Context, b *bencher) (tables []table, err error) {
	shapes, err := b.shapes(ctx)
	if err != nil {
		return nil, err
	}
	for _, shape := range shapes {
		tables = append(tables, b.floorTable(shape.c, shape.batch))
	}
	return tables, nil
}

// floorTable measures the stages of one shape of send. A cell named "floor of …" is the floor
// of the cells behind it.
func (b *bencher) floorTable(c cohortFile, batch int) table {
	var (
		kept                           cohortRun // the run of this round
		floor                          used
		sockets, sending, plan, report used
	)
	beside := func(u used, count int64) sample {
		s := u.sample(count)
		s[kFloor] = floor.cpu / u.cpu * 100
		return s
	}
	copied := func(paths func() []string) work {
		return func(ctx context.Context) (_ sample, err error) {
			var found read
			args := append([]string{"-file", filepath.Join(b.folder, "copy")}, paths()...)
			floor, err = askChild(ctx, &found, "copy", args...)
			return floor.sample(c.Records), err
		}
	}
	ours := func(keep *used, args func() []string) work {
		return func(ctx context.Context) (sample, error) {
			_, u, err := runProgram(ctx, program{path: b.binary, args: args(), dir: kept.folder, temp: b.folder})
			if keep != nil {
				*keep = u
			}
			return beside(u, c.Records), err
		}
	}
	inRun := func(names ...string) func() []string {
		return func() (paths []string) {
			for _, name := range names {
				found, _ := filepath.Glob(filepath.Join(kept.runFolder(), name)) // the pattern is right
				paths = append(paths, found...)
			}
			return paths
		}
	}
	campaign := func(verb string) func() []string {
		return func() []string { return []string{verb, "-c", "campaign.yaml", c.path} }
	}
	cells := []cell{
		{"floor of sending: ready requests, sockets", func(ctx context.Context) (sample, error) {
			u, _, sent, err := b.sendBy(ctx, "ready", c, batch, 0, "-sockets")
			u.seconds, u.cpu = sent.Seconds, sent.CPU // making the requests is no part of it
			floor, sockets = u, u
			return u.sample(c.Records), err
		}},
		{"cohort send, the whole", func(ctx context.Context) (_ sample, err error) {
			if err = os.RemoveAll(kept.folder); err != nil {
				return nil, err
			}
			kept, err = b.send(ctx, b.folder, c, batch, 0, true)
			sending = kept.used
			return beside(sending, c.Records), err
		}},
		{"floor of reading: count line ends", func(ctx context.Context) (_ sample, err error) {
			var found read
			floor, err = askChild(ctx, &found, "lines", c.path)
			return floor.sample(c.Records), err
		}},
		{"cohort check", ours(nil, campaign("check"))},
		{"floor of preparing: the cohort to a file, fdatasync", copied(func() []string { return []string{c.path} })},
		{"cohort plan", ours(&plan, campaign("plan"))},
		{"floor of the report: log, spool and report to a file", copied(inRun("log/*", "spool/*", "report.parquet"))},
		{"cohort report", ours(&report, func() []string { return []string{"report", kept.runFolder()} })},
		{"floor of the status: the log to a file", copied(inRun("log/*"))},
		{"cohort status", ours(nil, func() []string { return []string{"status", kept.runFolder()} })},
		{"cohort send, less plan and report", func(context.Context) (sample, error) {
			alone := sending.cpu - plan.cpu - report.cpu
			return sample{kCPU: alone, kFloor: sockets.cpu / alone * 100}, nil
		}},
	}
	return table{
		title: fmt.Sprintf("stages of sending %d messages, at most %d a request", c.Sendable, batch),
		columns: []column{
			{heading: "s", key: kSeconds, format: "%.2f"},
			{heading: "CPU s", key: kCPU, format: "%.2f"},
			{heading: "peak MiB", key: kPeak, format: "%.0f", scale: 1.0 / (1 << 20)},
			{heading: "floor, % of its CPU", key: kFloor, format: "%.0f"},
		},
		cells: cells,
	}
}
