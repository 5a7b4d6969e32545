package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rates are messages a second, and messages a request: the national rate, one that a large
// service takes, and ten times that.
var rates = []struct {
	perSecond float64
	batch     int
}{{59.03, 1}, {5000, 1}, {5000, 100}, {50_000, 100}}

// paceTables measures how exactly a send keeps to a rate.
func paceTables(ctx context.Context, b *bencher) (tables []table, err error) {
	const plainName = "plain Go loop, x/time/rate"
	vegeta, err := exec.LookPath("vegeta")
	if err != nil {
		b.say("vegeta is left out: the program is not on the PATH " +
			"(go install github.com/tsenart/vegeta/v12@latest)")
	}
	for _, r := range rates {
		records := int(math.Round(r.perSecond * b.span.Seconds()))
		c, err := b.cohort(ctx, fmt.Sprintf("cohort-%g-%d.csv", r.perSecond, r.batch), records, 0, false)
		if err != nil {
			return nil, err
		}
		paced := func(u used, n counted) sample {
			return sample{
				kAchieved: n.Achieved, kShare: n.Achieved / r.perSecond * 100, kWorst: float64(n.Worst),
				kLimit: float64(n.Worst) / (r.perSecond + float64(r.batch)),
				kBusy:  u.cpu / u.seconds * 100,
			}
		}
		cells := []cell{
			{"cohort send", func(ctx context.Context) (sample, error) {
				run, err := b.send(ctx, b.folder, c, r.batch, r.perSecond, false)
				return paced(run.used, run.counted), err
			}},
			{plainName, func(ctx context.Context) (sample, error) {
				u, n, _, err := b.sendBy(ctx, "plain", c, r.batch, r.perSecond)
				return paced(u, n), err
			}},
		}
		if vegeta != "" {
			cells = append(cells, cell{"vegeta attack", func(ctx context.Context) (sample, error) {
				u, n, err := b.attack(ctx, vegeta, r.perSecond, r.batch)
				return paced(u, n), err
			}})
		}
		tables = append(tables, table{
			title: fmt.Sprintf("%g messages a second for %g s, %d a request", r.perSecond, b.span.Seconds(), r.batch),
			columns: []column{
				{heading: "achieved/s", key: kAchieved, format: "%.2f"},
				{heading: "% of the rate", key: kShare, format: "%.2f"},
				{heading: "worst second", key: kWorst, format: "%.0f"},
				{heading: "to rate + request", key: kLimit, format: "%.4f"},
				{heading: "CPU, % of a core", key: kBusy, format: "%.2f"},
				{heading: "to plain Go", key: kBusy, per: plainName, format: "%.2f"},
			},
			cells: cells,
		})
	}
	return tables, nil
}

// attack has vegeta post one ready-made request at a rate. It renders nothing.
func (b *bencher) attack(
	ctx context.Context, vegeta string, perSecond float64, batch int,
) (u used, n counted, err error) {
	s, err := startService(ctx, b.latency)
	if err != nil {
		return u, n, err
	}
	defer s.stop()
	messages := bytes.Repeat([]byte(`{"messageReference":"b838b13c-f98c-4def-93f0-515d4e4f4ee1"},`), batch)
	body := filepath.Join(b.folder, "body.json")
	if err := os.WriteFile(body, []byte("["+strings.TrimSuffix(string(messages), ",")+"]"), 0o600); err != nil {
		return u, n, err
	}
	_, u, err = runProgram(ctx, program{path: vegeta, stdin: "POST http://" + s.address + submitPath, args: []string{
		"attack", "-body", body, "-rate", fmt.Sprintf("%.0f/100s", perSecond*100/float64(batch)),
		"-duration", b.span.String(), "-workers", "32", "-max-workers", "32", "-output", os.DevNull,
	}})
	n, e := s.counted(ctx, false)
	return u, n, errors.Join(err, e)
}
