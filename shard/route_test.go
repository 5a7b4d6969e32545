package shard_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

// routed makes a cohort of three routes, with duplicates that go another way than the
// record that counts.
func routed(t *testing.T) []entry {
	entries := people(t, 2000)
	entries = append(entries, entries[100:160]...)
	for i := range entries {
		entries[i].route = uint8(i % 7 % 3)
	}
	entries[50].number, entries[50].route = 0, 0
	return entries
}

// The lanes of a shard hold its records between them, each once, in the order of their
// positions, and what is told of a record elsewhere names its lane.
func TestALaneHoldsTheRecordsOfItsRoute(t *testing.T) {
	entries := routed(t)
	list := listing([]shard.Exclusion{{Number: entries[3].number, Reason: "opted_out"}, {Number: entries[4].number, Reason: "opted_out"}})
	s := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 100), shard.Options{Shards: 4, Fields: twoFields, BatchRows: 64, Routes: 3, Exclude: list}))
	if s.Routes() != 3 || s.Lanes() != 12 {
		t.Fatalf("%d routes, %d lanes", s.Routes(), s.Lanes())
	}
	type place struct {
		lane     person.Lane
		position uint32
	}
	want, counted := map[place]person.Record{}, [3]map[person.Fate]int64{}
	for r := range counted {
		counted[r] = map[person.Fate]int64{}
	}
	for _, r := range all(t, s.Records()) {
		if r.Fate == person.Invalid {
			continue
		}
		route := entries[r.Row-1].route
		if int(r.Lane) != 3*r.Shard+int(route) {
			t.Fatalf("row %d of shard %d and route %d is in lane %d", r.Row, r.Shard, route, r.Lane)
		}
		counted[route][r.Fate]++
		if again, err := s.Record(r.Lane, r.Position); err != nil || again != r {
			t.Fatalf("%+v is read by itself as %+v, %v", r, again, err)
		}
		if r.Fate != person.Duplicate {
			want[place{lane: r.Lane, position: r.Position}] = r
		}
	}
	for lane := range person.Lane(s.Lanes()) {
		last := -1
		for _, p := range recipients(t, s, lane, 0, s.Positions(lane)) {
			r, there := want[place{lane: lane, position: p.Position}]
			if !there || r.Row != p.Row || int(p.Position) <= last || person.Lane(p.Route) != lane%3 || p.Suppressed != (r.Fate == person.Suppressed) {
				t.Fatalf("lane %d has %+v", lane, p)
			}
			last = int(p.Position)
			delete(want, place{lane: lane, position: p.Position})
		}
	}
	if len(want) > 0 {
		t.Errorf("%d records are in no lane", len(want))
	}
	for route, fates := range s.RouteFates() {
		for _, fate := range []person.Fate{"", person.Duplicate, person.Suppressed} {
			if fates[fate] != counted[route][fate] {
				t.Errorf("route %d has %d %q, not %d", route, fates[fate], fate, counted[route][fate])
			}
		}
	}
	lanes, err := s.Ranges()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lanes.Close() }()
	err = lanes.Below(1<<62, func(part *person.Stretch) error {
		for i, row := range part.Rows {
			if lane := part.Lane(i); int(lane) != 3*part.Shard+int(entries[row-1].route) {
				t.Errorf("row %d is read in lane %d", row, lane)
			}
		}
		return nil
	}, func(*person.Record) error { return nil })
	if err != nil {
		t.Error(err)
	}
}

// A list finds its people lane by lane, since batches are of lanes.
func TestAListFindsPeopleLaneByLane(t *testing.T) {
	entries := routed(t)
	s := closing(t, mustBuild(t, t.TempDir(), incoming(entries, twoFields, 100), shard.Options{Shards: 4, Fields: twoFields, BatchRows: 64, Routes: 3}))
	var list []shard.Exclusion
	for i := 0; i < 2000; i += 5 {
		if i != 50 {
			list = append(list, shard.Exclusion{Number: entries[i].number, Reason: "opted_out"})
		}
	}
	m, err := s.Match(t.Context(), t.TempDir(), listing(list))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	last, n := shard.Listed{Lane: -1}, 0
	for l, err := range m.Listed(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if l.Lane < last.Lane || l.Lane == last.Lane && l.Position <= last.Position {
			t.Errorf("%+v comes behind %+v", l, last)
		}
		if r, err := s.Record(l.Lane, l.Position); err != nil || r.Lane != l.Lane {
			t.Errorf("%+v is %+v, %v", l, r, err)
		}
		last, n = l, n+1
	}
	if n != len(list) {
		t.Errorf("%d of %d are found", n, len(list))
	}
}

func TestASpoolOfOneRouteIsAsItWas(t *testing.T) {
	dir := t.TempDir()
	closing(t, mustBuild(t, dir, incoming(people(t, 10), twoFields, 100), shard.Options{Shards: 2, Fields: twoFields, Routes: 1}))
	if _, err := os.Stat(filepath.Join(dir, "routes.arrow")); !os.IsNotExist(err) {
		t.Errorf("it has a file of routes: %v", err)
	}
	if m, _, err := shard.ReadManifest(dir); err != nil || m.Routes != 0 || len(m.Others) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

// A record of a route that there is not would be in no lane, and sent to by nobody.
func TestARouteThatThereIsNotIsFound(t *testing.T) {
	dir := t.TempDir()
	_, built := shard.Build(t.Context(), dir, incoming(routed(t), twoFields, 100), shard.Options{Shards: 2, Fields: twoFields, Routes: 2})
	_, opened := shard.Open(dir)
	for _, err := range []error{built, opened} {
		if err == nil || !strings.Contains(err.Error(), "a record goes by route 2, and there are 2") {
			t.Errorf("%v", err)
		}
	}
}

// A file of routes that is damaged is found out before anybody is sent to.
func TestDamagedRoutesAreFound(t *testing.T) {
	dir := t.TempDir()
	s := mustBuild(t, dir, incoming(routed(t), twoFields, 100), shard.Options{Shards: 2, Fields: twoFields, Routes: 3})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "routes.arrow")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := shard.Open(dir); err == nil {
		t.Error("it is opened")
	}
}
