package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
)

// ingestTables measures how a cohort file is read: cohort check beside encoding/csv.
func ingestTables(ctx context.Context, b *bencher) ([]table, error) {
	whole, err := b.cohort(ctx, "cohort.csv", b.records, badShare, true)
	if err != nil {
		return nil, err
	}
	tenth, err := b.cohort(ctx, "tenth.csv", b.records/10, badShare, false)
	if err != nil {
		return nil, err
	}
	if err := b.campaign(b.folder, "127.0.0.1:1", 1000, 0); err != nil {
		return nil, err
	}
	const csvName, mapName, gunzipName = "encoding/csv, modulus 11", "the same, map of people", "gunzip alone"
	cores := runtime.GOMAXPROCS(0)
	packed := cohortFile{path: whole.path + ".gz", truth: whole.truth}
	cells := []cell{
		{"read and count line ends", b.peerReader(whole, read{Bytes: whole.Bytes}, "lines")},
		{csvName, b.peerReader(whole, read{Records: whole.Records, Valid: whole.Valid}, "csv")},
		{mapName, b.peerReader(whole, read{Valid: whole.Valid, People: whole.Sendable}, "csv", "map")},
		{"cohort check, one core", b.check(whole, 1)},
		{"cohort check", b.check(whole, cores)},
		{"cohort send, to its first request", b.prepare(whole)},
		{"cohort check of a tenth of the records", b.check(tenth, cores)},
		{gunzipName, fromGzip(b.peerReader(packed, read{Bytes: whole.Bytes}, "gunzip"))},
		{"cohort check, from gzip", fromGzip(b.check(packed, cores))},
	}
	return []table{{
		title: fmt.Sprintf("reading %d records, %d bytes", whole.Records, whole.Bytes),
		columns: []column{
			{heading: "cores", key: kCores, format: "%.0f"},
			{heading: "Mrow/s", key: kRate, format: "%.2f", scale: 1e-6},
			{heading: "s", key: kSeconds, format: "%.2f"},
			{heading: "CPU s", key: kCPU, format: "%.2f"},
			{heading: "peak MiB", key: kPeak, format: "%.0f", scale: 1.0 / (1 << 20)},
			{heading: "to encoding/csv", key: kRate, per: csvName, format: "%.2f"},
			{heading: "to the map", key: kRate, per: mapName, format: "%.2f"},
			{heading: "to gunzip", key: kPacked, per: gunzipName, format: "%.2f"},
		},
		cells: cells,
	}}, nil
}

// fromGzip marks the rate as that of a packed file.
func fromGzip(w work) work {
	return func(ctx context.Context) (sample, error) {
		s, err := w(ctx)
		if err == nil {
			s[kPacked] = s[kRate]
		}
		return s, err
	}
}

// peerReader has a child read a file. Each figure of want that is not 0 must be found.
func (b *bencher) peerReader(c cohortFile, want read, name string, options ...string) work {
	return func(ctx context.Context) (sample, error) {
		var found read
		u, err := askChild(ctx, &found, name, append([]string{c.path}, options...)...)
		if err != nil {
			return nil, err
		}
		for _, pair := range [][2]int64{
			{want.Bytes, found.Bytes}, {want.Records, found.Records}, {want.Valid, found.Valid}, {want.People, found.People},
		} {
			if pair[0] != 0 && pair[0] != pair[1] {
				return nil, fmt.Errorf("it found %+v and the file holds %+v, so its rate means nothing", found, c.truth)
			}
		}
		s := u.sample(c.Records)
		s[kCores] = float64(runtime.GOMAXPROCS(0))
		return s, nil
	}
}

// prepare has cohort send a file, and measures the time to the first request. The peak is that of
// the whole send.
func (b *bencher) prepare(c cohortFile) work {
	return func(ctx context.Context) (sample, error) {
		r, err := b.send(ctx, b.folder, c, 1000, 0, false)
		if err != nil {
			return nil, err
		}
		seconds := sentSample(r.used, r.counted)[kFirst]
		return sample{
			kCores: float64(runtime.GOMAXPROCS(0)), kSeconds: seconds, kRate: float64(c.Records) / seconds,
			kPeak: float64(r.used.peak),
		}, nil
	}
}

// check has cohort check read a file.
func (b *bencher) check(c cohortFile, cores int) work {
	return func(ctx context.Context) (sample, error) {
		text, u, err := runProgram(ctx, program{
			path: b.binary, args: []string{"check", "-c", filepath.Join(b.folder, "campaign.yaml"), "--json", c.path},
			temp: b.folder, cores: cores,
		})
		if err != nil {
			return nil, err
		}
		var found struct {
			Records int64            `json:"records"`
			Fates   map[string]int64 `json:"fates"`
		}
		if err := json.Unmarshal(text, &found); err != nil {
			return nil, err
		}
		sendable := found.Records - found.Fates["invalid"] - found.Fates["duplicate"]
		if found.Records != c.Records || sendable != c.Sendable {
			return nil, fmt.Errorf("it found %d records and %d people, and the file holds %d and %d; its rate means nothing",
				found.Records, sendable, c.Records, c.Sendable)
		}
		s := u.sample(c.Records)
		s[kCores] = float64(cores)
		return s, nil
	}
}
