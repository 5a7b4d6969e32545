package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// task is what is to be done.
type task struct {
	engine  string // bbolt or sqlite
	layout  string // rows or batches
	work    string // write, fill or rebuild
	folder  string
	group   int           // messages that are made durable together
	waiting int           // goroutines that each wait for a message of their own; 0: one writer of groups
	span    time.Duration // how long to write
	number  int64         // of messages to fill with
}

// result is what was measured.
type result struct {
	Messages int64 `json:"messages"`
	Found    int64 `json:"found"` // messages that were read back
	Bytes    int64 `json:"bytes"` // on disk, once closed
	Usage    usage `json:"usage"`
}

func main() {
	var t task
	flag.StringVar(&t.engine, "engine", "", "bbolt or sqlite")
	flag.StringVar(&t.layout, "layout", "rows", "rows or batches")
	flag.StringVar(&t.work, "work", "write", "write, fill or rebuild")
	flag.StringVar(&t.folder, "folder", "", "where")
	flag.IntVar(&t.group, "group", 1, "messages that are made durable together")
	flag.IntVar(&t.waiting, "waiting", 0, "goroutines that each wait for a message of their own")
	flag.DurationVar(&t.span, "span", time.Second, "how long to write")
	flag.Int64Var(&t.number, "messages", 0, "how many to fill with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := t.do(ctx)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ledgers: "+err.Error())
		os.Exit(1)
	}
}

func (t task) do(ctx context.Context) (r result, err error) {
	if t.group < 1 || t.waiting < 0 || t.layout != "rows" && t.layout != "batches" {
		return r, errors.New("-group, -waiting and -layout do not fit; call it as cohort bench log does")
	}
	switch t.work {
	case "write", "fill":
		r, err = t.write(ctx)
		if err == nil {
			r.Bytes, err = size(t.folder)
		}
		if err == nil {
			r.Found, err = t.accepted(ctx)
		}
		return r, err
	case "rebuild":
		r.Usage, err = measure(func() (err error) {
			r.Messages, err = t.accepted(ctx)
			return err
		})
		r.Found = r.Messages
		return r, err
	}
	return r, fmt.Errorf("there is no work %q; there are write, fill and rebuild", t.work)
}

// write opens a new store, writes, and closes it.
func (t task) write(ctx context.Context) (r result, err error) {
	s, err := open(t.engine, t.folder, t.work == "write")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r.Usage, err = measure(func() (err error) {
		switch {
		case t.work == "fill":
			r.Messages, err = t.fill(ctx, s)
		case t.waiting > 0:
			r.Messages, err = t.wait(ctx, s)
		default:
			r.Messages, err = t.groups(ctx, s)
		}
		return err
	})
	return r, err
}

// accepted opens the store and counts the messages that have an outcome, as a resumed
// run would: every record is looked at.
func (t task) accepted(ctx context.Context) (n int64, err error) {
	s, err := open(t.engine, t.folder, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	state := map[bool][]byte{}
	err = s.each(func(key int64, value []byte) error {
		outcome := value[0] == stateAccepted
		state[outcome] = append(state[outcome], value[0]) // a byte a record, as a ledger keeps it
		if outcome {
			n += int64(len(value)-headBytes) / idBytes
		}
		if key%4096 == 0 {
			return ctx.Err()
		}
		return nil
	})
	return n, err
}
