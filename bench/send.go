package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// sendTables measures how a cohort is sent, batched and one message a request.
func sendTables(ctx context.Context, b *bencher) (tables []table, err error) {
	shapes, err := b.shapes(ctx)
	if err != nil {
		return nil, err
	}
	const plainName, readyName = "plain Go loop", "requests made before, net/http"
	for _, shape := range shapes {
		by := func(child string) work {
			return func(ctx context.Context) (sample, error) {
				u, n, _, err := b.sendBy(ctx, child, shape.c, shape.batch, 0)
				if child == "ready" { // making the requests is no part of it
					return sample{kWire: n.Wire}, err
				}
				return sentSample(u, n), errors.Join(err, agree(n.Messages, shape.c.Sendable))
			}
		}
		tables = append(tables, table{
			title: fmt.Sprintf("sending %d messages, at most %d a request", shape.c.Sendable, shape.batch),
			columns: []column{
				{heading: "msg/s", key: kRate, format: "%.0f"},
				{heading: "to plain Go", key: kRate, per: plainName, format: "%.2f"},
				{heading: "first request s", key: kFirst, format: "%.2f"},
				{heading: "msg/s from then", key: kWire, format: "%.0f"},
				{heading: "to net/http", key: kWire, per: readyName, format: "%.2f"},
				{heading: "CPU s/M", key: kMillion, format: "%.2f"},
				{heading: "CPU to plain Go", key: kMillion, per: plainName, format: "%.2f"},
				{heading: "peak MiB", key: kPeak, format: "%.0f", scale: 1.0 / (1 << 20)},
				{heading: "memory to plain Go", key: kPeak, per: plainName, format: "%.2f"},
			},
			cells: []cell{
				{"cohort send", func(ctx context.Context) (sample, error) {
					r, err := b.send(ctx, b.folder, shape.c, shape.batch, 0, false)
					return sentSample(r.used, r.counted), err
				}},
				{"cohort resume, stopped at a quarter", func(ctx context.Context) (sample, error) {
					return b.resume(ctx, shape.c, shape.batch)
				}},
				{plainName, by("plain")},
				{readyName, by("ready")},
			},
		})
	}
	return tables, nil
}

// resume stops a send at about a quarter and measures how it goes on.
func (b *bencher) resume(ctx context.Context, c cohortFile, batch int) (_ sample, err error) {
	s, err := startService(ctx, b.latency)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	// Half of the messages a second: slow enough to be stopped in time.
	r, err := b.newRun(b.folder, s, batch, float64(c.Sendable)/2)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.folder)) }()
	if err := b.stopAt(ctx, s, b.sending(r, c), c.Sendable/4); err != nil {
		return nil, err
	}
	before, err := s.counted(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := b.campaign(r.folder, s.address, batch, 0); err != nil { // at full speed
		return nil, err
	}
	_, u, err := runProgram(ctx, program{path: b.binary, dir: r.folder, args: []string{"resume", "run"}})
	if err != nil {
		return nil, err
	}
	after, err := s.counted(ctx, false)
	if err != nil {
		return nil, err
	}
	return sentSample(u, after), agree(before.Messages+after.Messages, c.Sendable)
}

// stopAt runs a send and stops it when the service has so many messages.
func (b *bencher) stopAt(ctx context.Context, s *running, p program, messages int64) error {
	ctx, stop := context.WithCancel(ctx) // it has the program stopped
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, _, err := runProgram(ctx, p)
		ended <- err
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitStopped && ctx.Err() != nil {
				return nil
			}
			return errors.Join(errors.New("the send that was to be stopped ended by itself"), err)
		case <-tick.C:
			if n, err := s.counted(ctx, false); err == nil && n.Messages >= messages {
				stop()
			}
		}
	}
}

// exitStopped is cohort's exit code of a run that can go on.
const exitStopped = 3
