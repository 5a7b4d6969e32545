package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The test's own program is also the children that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childWord {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(test.values); got != test.want {
			t.Errorf("%v: %v, want %v", test.values, got, test.want)
		}
	}
}

// A ratio is taken within a round, and rounds without both figures do not count.
func TestFigures(t *testing.T) {
	rounds := []round{
		{{"ours": {"x": 10}, "peer": {"x": 5}}},
		{{"ours": {"x": 30}, "peer": {"x": 10}}},
		{{"ours": {"x": 80}, "peer": {"x": 20}}},
		{{"ours": {}, "peer": {"x": 1}}},
	}
	for _, test := range []struct {
		c    column
		cell string
		want float64
		ok   bool
	}{
		{column{key: "x"}, "ours", 30, true},
		{column{key: "x", scale: 0.1}, "ours", 3, true},
		{column{key: "x", per: "peer"}, "ours", 3, true},
		{column{key: "x", per: "peer"}, "peer", 1, true},
		{column{key: "x", per: "absent"}, "ours", 0, false},
		{column{key: "y"}, "ours", 0, false},
	} {
		got, ok := test.c.figure(rounds, 0, test.cell)
		if math.Abs(got-test.want) > 1e-9 || ok != test.ok {
			t.Errorf("%+v of %s: %v %v, want %v %v", test.c, test.cell, got, ok, test.want, test.ok)
		}
	}
}

func TestCountArrivals(t *testing.T) {
	const ms = int64(time.Millisecond)
	every := func(from, step int64, n int) (all []arrival) {
		for i := range n {
			all = append(all, arrival{from + int64(i)*step, 1})
		}
		return all
	}
	hundreds := every(0, 100*ms, 50)
	for i := range hundreds {
		hundreds[i].messages = 100
	}
	for sentence, test := range map[string]struct {
		arrivals       []arrival
		wire, achieved float64
		worst          int64
	}{
		"nothing":                            {nil, 0, 0, 0},
		"one request has no rate":            {every(0, 1, 1), 0, 0, 1},
		"ten a second":                       {every(0, 100*ms, 50), 10, 10, 10},
		"requests of a hundred":              {hundreds, 1000, 1000, 1000},
		"a burst at the start":               {slices.Concat(every(0, 0, 3), every(100*ms, 100*ms, 47)), 49 / 4.7, 10, 12},
		"two that are just a second apart":   {every(0, 1000*ms, 2), 1, 1, 1},
		"two that are less than that apart":  {every(0, 1000*ms-1, 2), 1, 1, 2},
		"a burst across the end of a second": {slices.Concat(every(0, 500*ms, 3), every(1100*ms, 10*ms, 3)), 5 / 1.12, 5 / 1.12, 5},
	} {
		c := countArrivals(test.arrivals)
		if math.Abs(c.Wire-test.wire) > 1e-6 || math.Abs(c.Achieved-test.achieved) > 1e-6 || c.Worst != test.worst {
			t.Errorf("%s: %+v, want %v, %v, %d", sentence, c, test.wire, test.achieved, test.worst)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]bool{
		"9434765919": true, "943 476 5919": true, "9434765918": false, "943476591": false, "94347659190": false,
		"1111111111": false, "943-476-5919": false, "": false,
	} {
		if n, ok := parseNumber(text); ok != want || ok && n != 9434765919 {
			t.Errorf("%q: %d %v", text, n, ok)
		}
	}
}

// The service answers with the references of a batch, and an id for each that no other has.
func TestServiceAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var s service
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = s.converse(conn) }()
		}
	}()
	body, err := encode([]plainMessage{{Reference: "first"}, {Reference: "second"}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 3 {
		answer, err := http.Post("http://"+listener.Addr().String()+submitPath, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Data struct {
				Attributes struct {
					Messages []struct{ MessageReference, ID string }
				}
			}
		}
		err = json.NewDecoder(answer.Body).Decode(&got)
		_ = answer.Body.Close()
		all := got.Data.Attributes.Messages
		if err != nil || answer.StatusCode != http.StatusCreated || len(all) != 2 ||
			all[0].MessageReference != "first" || all[1].MessageReference != "second" {
			t.Fatalf("%s %+v %v", answer.Status, got, err)
		}
		for _, m := range all {
			if len(m.ID) != 27 || seen[m.ID] {
				t.Errorf("the id %q is not new, or not of 27 characters", m.ID)
			}
			seen[m.ID] = true
		}
	}
	r := running{address: listener.Addr().String()}
	first, err := r.counted(t.Context(), true)
	second, err2 := r.counted(t.Context(), false)
	if err != nil || err2 != nil || first.Messages != 6 || first.Requests != 3 || second.Messages != 0 {
		t.Errorf("%+v %+v %v %v", first, second, err, err2)
	}
}

// Every measurement of a small cohort comes to its end with figures, and leaves nothing.
func TestMeasurements(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	binary := filepath.Join(t.TempDir(), "cohort")
	if out, err := exec.Command("go", "build", "-o", binary, "cohort/cmd/cohort").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string][]string{
		"ingest": {"cohort check, from gzip", "per_second to encoding/csv, modulus 11", "per_second_from_gzip to gunzip alone"},
		"floor":  {"floor_percent", "cohort send, less plan and report", "floor of sending: ready requests, sockets"},
		"send":   {"cohort resume, stopped at a quarter", "per_second to plain Go loop", "first_request_seconds"},
		"log":    {"wire_per_second to cohort send, the run in memory", "log_bytes_per_message", "log_per_second to SHA-256"},
		"pace":   {"50000 messages a second", "worst_to_limit", "core_percent to plain Go loop"},
	} {
		dir := t.TempDir()
		var out bytes.Buffer
		b := &bencher{
			name: name, tables: measurements[name], records: 2000, runs: 1, span: 200 * time.Millisecond,
			binary: binary, parent: dir, asJSON: true, out: &out, started: time.Now(),
		}
		if err := b.all(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range want {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%s: %q is not in\n%s", name, part, out.String())
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
}

// A count that differs ends the measurement.
func TestMiscountsEndTheMeasurement(t *testing.T) {
	b := &bencher{folder: t.TempDir(), started: time.Now()}
	c, err := b.cohort(t.Context(), "cohort.csv", 1000, badShare, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.peerReader(c, read{Records: 1000, Valid: c.Valid}, "csv")(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := b.peerReader(c, read{Records: 1001}, "csv")(t.Context()); err == nil {
		t.Error("1,000 records pass for 1,001")
	}
	if u, n, _, err := b.sendBy(t.Context(), "plain", c, 100, 0); err != nil || n.Messages != c.Sendable || u.seconds <= 0 {
		t.Errorf("%+v %v, of %d", n, err, c.Sendable)
	}
	if agree(999, 1000) == nil {
		t.Error("999 messages pass for 1,000")
	}
}

func TestWrongCalls(t *testing.T) {
	for _, args := range []string{"", "nonsense", "ingest -n 0", "send -runs 0", "log more", "child nonsense"} {
		if err := run(context.Background(), strings.Fields(args)); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
