package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// watchTables measures what it costs a send to be watched.
func watchTables(ctx context.Context, b *bencher) (tables []table, err error) {
	shapes, err := b.shapes(ctx)
	const alone = "cohort send"
	for _, shape := range shapes {
		send := func(ctx context.Context) (sample, error) {
			r, err := b.send(ctx, b.folder, shape.c, shape.batch, 0, false)
			return sentSample(r.used, r.counted), err
		}
		tables = append(tables, table{
			title: fmt.Sprintf("sending %d messages, at most %d a request", shape.c.Sendable, shape.batch),
			columns: []column{
				{heading: "CPU s", key: kCPU, format: "%.2f"},
				{heading: "CPU to alone", key: kCPU, per: alone, format: "%.3f"},
				{heading: "msg/s", key: kRate, format: "%.0f"},
				{heading: "scrapes", key: kScrapes, format: "%.0f"},
			},
			cells: []cell{
				{alone, send},
				{"with metrics, scraped each second", func(ctx context.Context) (sample, error) { return b.watched(ctx, send) }},
				{"with metrics and a page, its process included", func(ctx context.Context) (sample, error) {
					return b.shown(ctx, func(ctx context.Context) (sample, error) { return b.watched(ctx, send) })
				}},
			},
		})
	}
	return tables, err
}

// watched scrapes the metrics of a send each second.
func (b *bencher) watched(ctx context.Context, send work) (sample, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	_ = free.Close()
	b.flags = []string{"--metrics", address}
	defer func() { b.flags = nil }()
	ended, scraped := make(chan struct{}), make(chan int)
	go func() { scraped <- scrapeUntil(ended, "http://"+address+"/metrics") }()
	of, err := send(ctx)
	close(ended)
	scrapes := <-scraped
	if err == nil && scrapes == 0 {
		err = errors.New("nothing was scraped")
	}
	if err == nil {
		of[kScrapes] = float64(scrapes)
	}
	return of, err
}

// scrapeUntil scrapes each second until ended is closed, and returns how often that worked.
func scrapeUntil(ended <-chan struct{}, url string) (scrapes int) {
	for {
		select {
		case <-ended:
			return scrapes
		case <-time.After(time.Second):
		}
		if answer, err := http.Get(url); err == nil {
			if n, err := io.Copy(io.Discard, answer.Body); err == nil && n > 0 {
				scrapes++
			}
			_ = answer.Body.Close()
		}
	}
}

// shown has a browser's stream of a page of the runs open during a send. The page's CPU is added.
func (b *bencher) shown(ctx context.Context, send work) (sample, error) {
	folder := filepath.Join(b.folder, fmt.Sprintf("send-%d", b.attempts+1)) // of the next send
	page := program{path: b.binary, args: []string{"status", "--runs", folder, "--serve", "127.0.0.1:0"}}.command(ctx)
	shows := make(chan error, 1)
	go func() {
		for { // the folder comes with the send
			if _, err := os.Stat(folder); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		shows <- stream(page)
	}()
	of, err := send(ctx)
	if err = errors.Join(err, <-shows); err != nil {
		return of, err
	}
	_ = page.Process.Signal(syscall.SIGTERM)
	_ = page.Wait()
	of[kCPU] += (page.ProcessState.UserTime() + page.ProcessState.SystemTime()).Seconds()
	return of, nil
}

// stream starts a page and keeps reading its events until it ends.
func stream(page *exec.Cmd) error {
	out, err := page.StdoutPipe()
	if err == nil {
		err = page.Start()
	}
	if err != nil {
		return err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return errors.Join(errors.New("the page did not start"), page.Wait())
	}
	answer, err := http.Get(strings.TrimSpace(url) + "events")
	if err == nil {
		go func() { _, _ = io.Copy(io.Discard, answer.Body) }() // until the page ends
	}
	return err
}
