package plan_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

func TestAPlanComesBackAsItWasSealed(t *testing.T) {
	dir := t.TempDir()
	p := enginetest.NewPeople(40, 4, nil)
	p.ByLane[2] = nil // a shard that nobody lives in
	batches, err := plan.Cut(t.Context(), enginetest.TestRun.References(), p, enginetest.Encoding{}, engine.Limits{Messages: 3, Bytes: 1 << 20}, "")
	enginetest.Must(t, err)
	header := enginetest.TestHeader(p)
	header.Earlier = []plan.EarlierRun{{"00", "/somewhere"}}
	called := false
	enginetest.Must(t, plan.Seal(dir, header, batches, func() error {
		called = true
		if _, err := plan.Open(dir); !errors.Is(err, plan.ErrNone) {
			t.Errorf("before the last step the plan is there already: %v", err)
		}
		return nil
	}))
	if !called {
		t.Error("nobody was asked before the plan became valid")
	}
	planned := enginetest.OpenPlan(t, dir)
	var want []plan.Batch
	for b, err := range batches.Each() {
		enginetest.Must(t, err)
		want = append(want, b)
	}
	if planned.Run != enginetest.TestRun || planned.Messages != 30 || planned.Batches() != len(want) || planned.Largest != 3 || !slices.Equal(planned.LaneStarts, []int{0, 4, 8, 8}) {
		t.Errorf("the plan says %+v", planned.Header)
	}
	if !slices.Equal(planned.Frozen, header.Frozen) || !slices.Equal(planned.Earlier, header.Earlier) || planned.Static["duplicate"] != 0 {
		t.Errorf("the plan says %+v", planned.Header)
	}
	var got []plan.Batch
	for b, err := range planned.Each() {
		enginetest.Must(t, err)
		got = append(got, b)
	}
	for i := range want {
		single, err := planned.Batch(uint32(i))
		enginetest.Must(t, err)
		if !reflect.DeepEqual(got[i], want[i]) || !reflect.DeepEqual(single, want[i]) {
			t.Errorf("batch %d is %+v and %+v, want %+v", i, got[i], single, want[i])
		}
	}
	ends := [][2]uint32{{0, 4}, {4, 8}, {8, 8}, {8, 12}}
	for shard := range 4 {
		if from, to := planned.LaneBatches(person.Lane(shard)); [2]uint32{from, to} != ends[shard] {
			t.Errorf("shard %d has batches %d to %d", shard, from, to)
		}
	}
	if _, err := planned.Batch(uint32(len(want))); err == nil {
		t.Error("there is a batch behind the last")
	}
	for _, name := range []string{plan.PlanFile, plan.BatchesFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
}

// Lanes are cut at the same time, and written in pieces. Each batch comes back in its place.
func TestAPlanOfManyBatches(t *testing.T) {
	p := enginetest.NewPeople(30_000, 3, nil)
	planned := enginetest.SealPlan(t, t.TempDir(), p, engine.Limits{Messages: 1, Bytes: 1 << 20})
	next, number := [3]uint32{}, uint32(0)
	for b, err := range planned.Each() {
		enginetest.Must(t, err)
		if b.Number != number || b.Ordinal != next[b.Lane] || b.From != b.Ordinal || b.To != b.From+1 || b.Messages != 1 {
			t.Fatalf("batch %d is %+v", number, b)
		}
		if at, err := planned.Batch(number); err != nil || !reflect.DeepEqual(at, b) {
			t.Fatalf("batch %d is %+v and %+v, %v", number, b, at, err)
		}
		number, next[b.Lane] = number+1, next[b.Lane]+1
	}
	for lane, n := range next {
		if n != p.Positions(person.Lane(lane)) {
			t.Errorf("lane %d has %d batches", lane, n)
		}
	}
}

// Digests are part of the format.
func TestDigestsAreAsTheyAlwaysWere(t *testing.T) {
	for of, want := range map[plan.Digest]string{
		{}:      "99aa06d3014798d86001c324468d497f00000000000000000000000000000000", // the specification's for no bytes
		{15: 1}: "99aa06d3014798d86001c324468d497f00000000000000000000000000000000",
		{31: 1}: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", // FIPS 180-4
		{16: 1}: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		if got := fmt.Sprintf("%x", of.Of(nil)); got != want {
			t.Errorf("a digest like %x of nothing is %s", of, got)
		}
	}
}

func TestAPlanThatIsNotSealed(t *testing.T) {
	dir := t.TempDir()
	if _, err := plan.Open(dir); !errors.Is(err, plan.ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
	refused := errors.New("no")
	nobody := enginetest.NewPeople(0, 1, nil)
	batches, err := plan.Cut(t.Context(), enginetest.TestRun.References(), nobody, enginetest.Encoding{}, engine.Limits{Messages: 3, Bytes: 1 << 20}, "")
	enginetest.Must(t, err)
	if err := plan.Seal(dir, enginetest.TestHeader(nobody), batches, func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("sealing went on: %v", err)
	}
	if _, err := plan.Open(dir); !errors.Is(err, plan.ErrNone) {
		t.Errorf("a plan whose sealing was refused: %v", err)
	}
}

// Every bit of the batches is covered by the header, and the header by the log.
func TestADamagedPlanIsNoticed(t *testing.T) {
	dir := t.TempDir()
	p := enginetest.NewPeople(9, 2, nil)
	planned := enginetest.SealPlan(t, dir, p, engine.Limits{Messages: 3, Bytes: 1 << 20})
	log, err := ledger.Open(dir, planned)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(ledger.Start{Version: "test"}))
	enginetest.Must(t, log.Close())
	open := func() error {
		plan, err := plan.Open(dir)
		if err != nil {
			return err
		}
		defer func() { _ = plan.Close() }()
		_, err = ledger.Read(dir, plan)
		return err
	}
	enginetest.Must(t, open())
	for _, name := range []string{plan.BatchesFile, plan.PlanFile} {
		path := filepath.Join(dir, name)
		sound, err := os.ReadFile(path)
		enginetest.Must(t, err)
		damaged := map[string][]byte{"cut short": sound[:len(sound)-1], "empty": {}, "too long": append(slices.Clone(sound), 'x')}
		for i := range sound {
			damaged[string(rune(i))] = slices.Replace(slices.Clone(sound), i, i+1, sound[i]^1)
		}
		for sentence, text := range damaged {
			enginetest.Must(t, os.WriteFile(path, text, 0o600))
			if open() == nil {
				t.Errorf("%s with damage %q is taken", name, sentence)
			}
		}
		enginetest.Must(t, os.WriteFile(path, sound, 0o600))
	}
	enginetest.Must(t, os.WriteFile(filepath.Join(dir, plan.PlanFile), []byte(`{"version": 4}`), 0o600))
	enginetest.CheckError(t, "a plan of a newer version", open(), "a newer version of cohort wrote it")
	enginetest.Must(t, os.Remove(filepath.Join(dir, plan.BatchesFile)))
	if open() == nil {
		t.Error("a plan without its batches is taken")
	}
}

// A log that belongs to another plan or another run is refused.
func TestALogOfAnotherPlanIsRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	p := enginetest.NewPeople(9, 2, nil)
	planned := enginetest.SealPlan(t, dir, p, engine.Limits{Messages: 3, Bytes: 1 << 20})
	log, err := ledger.Open(dir, planned)
	enginetest.Must(t, err)
	enginetest.Must(t, log.Open(ledger.Start{Version: "test"}))
	enginetest.Must(t, log.Close())
	another := enginetest.SealPlan(t, other, p, engine.Limits{Messages: 2, Bytes: 1 << 20})
	if _, err := ledger.Read(dir, another); !errors.As(err, new(*plan.ChangedError)) || ledger.IsDamage(err) {
		t.Errorf("the same run, another plan: %v", err)
	}
	another.Run[0]++
	if _, err := ledger.Read(dir, another); !errors.Is(err, journal.ErrOtherRun) {
		t.Errorf("another run: %v", err)
	}
}
