package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// watchTables measures what it costs a send to be watched.
func watchTables(ctx context.Context, b *bencher) (tables []table, err error) {
	shapes, err := b.shapes(ctx)
	if err != nil {
		return nil, err
	}
	const alone = "cohort send"
	for _, shape := range shapes {
		tables = append(tables, table{
			title: fmt.Sprintf("sending %d messages, at most %d a request", shape.c.Sendable, shape.batch),
			columns: []column{
				{heading: "CPU s", key: kCPU, format: "%.2f"},
				{heading: "CPU to alone", key: kCPU, per: alone, format: "%.3f"},
				{heading: "msg/s", key: kRate, format: "%.0f"},
				{heading: "scrapes", key: kScrapes, format: "%.0f"},
			},
			cells: []cell{
				{alone, func(ctx context.Context) (sample, error) {
					r, err := b.send(ctx, b.folder, shape.c, shape.batch, 0, false)
					return sentSample(r.used, r.counted), err
				}},
				{"with metrics, scraped each second", func(ctx context.Context) (sample, error) {
					return b.watched(ctx, shape.c, shape.batch)
				}},
			},
		})
	}
	return tables, nil
}

// watched has cohort send the cohort while its metrics are scraped each second.
func (b *bencher) watched(ctx context.Context, c cohortFile, batch int) (_ sample, err error) {
	s, err := startService(ctx, b.latency)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r, err := b.newRun(b.folder, s, batch, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.folder)) }()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return nil, err
	}
	p := b.sending(r, c)
	p.args = append(p.args, "--metrics", address)
	ended, scraped := make(chan struct{}), make(chan int)
	go func() { scraped <- scrapeUntil(ended, "http://"+address+"/metrics") }()
	_, u, err := runProgram(ctx, p)
	close(ended)
	scrapes := <-scraped
	if err != nil {
		return nil, err
	}
	n, err := s.counted(ctx, false)
	if err == nil && scrapes == 0 {
		err = errors.New("nothing was scraped")
	}
	of := sentSample(u, n)
	of[kScrapes] = float64(scrapes)
	return of, errors.Join(err, agree(n.Messages, c.Sendable))
}

// scrapeUntil scrapes each second until ended is closed, and returns how often that worked.
func scrapeUntil(ended <-chan struct{}, url string) (scrapes int) {
	each := time.NewTicker(time.Second)
	defer each.Stop()
	for {
		select {
		case <-ended:
			return scrapes
		case <-each.C:
		}
		answer, err := http.Get(url)
		if err != nil {
			continue
		}
		if n, err := io.Copy(io.Discard, answer.Body); err == nil && n > 0 {
			scrapes++
		}
		_ = answer.Body.Close()
	}
}
