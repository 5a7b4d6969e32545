package engine

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"cohort/engine/journal"
)

func TestAPlanComesBackAsItWasSealed(t *testing.T) {
	dir := t.TempDir()
	p := newPeople(40, 4, nil)
	p.shards[2] = nil // a shard that nobody lives in
	batches, err := Cut(t.Context(), testRun, p, encoding{}, Limits{Messages: 3, Bytes: 1 << 20})
	must(t, err)
	header := testHeader(p)
	header.Earlier = []EarlierRun{{"00", "/somewhere"}}
	called := false
	must(t, Seal(dir, header, batches, func() error {
		called = true
		if _, err := OpenPlan(dir); !errors.Is(err, ErrNoPlan) {
			t.Errorf("before the last step the plan is there already: %v", err)
		}
		return nil
	}))
	if !called {
		t.Error("nobody was asked before the plan became valid")
	}
	plan := openPlan(t, dir)
	want := slices.Concat(batches...)
	if plan.Run != testRun || plan.Messages != 30 || plan.Batches() != len(want) || plan.Largest != 3 || !slices.Equal(plan.ShardStarts, []int{0, 4, 8, 8}) {
		t.Errorf("the plan says %+v", plan.PlanHeader)
	}
	if !slices.Equal(plan.Frozen, header.Frozen) || !slices.Equal(plan.Earlier, header.Earlier) || plan.Static["duplicate"] != 0 {
		t.Errorf("the plan says %+v", plan.PlanHeader)
	}
	var got []PlannedBatch
	for b, err := range plan.Each() {
		must(t, err)
		got = append(got, b)
	}
	for i := range want {
		want[i].Number = uint32(i)
		single, err := plan.Batch(uint32(i))
		must(t, err)
		if !reflect.DeepEqual(got[i], want[i]) || !reflect.DeepEqual(single, want[i]) {
			t.Errorf("batch %d is %+v and %+v, want %+v", i, got[i], single, want[i])
		}
	}
	ends := [][2]uint32{{0, 4}, {4, 8}, {8, 8}, {8, 12}}
	for shard := range 4 {
		if from, to := plan.ShardBatches(shard); [2]uint32{from, to} != ends[shard] {
			t.Errorf("shard %d has batches %d to %d", shard, from, to)
		}
	}
	if _, err := plan.Batch(uint32(len(want))); err == nil {
		t.Error("there is a batch behind the last")
	}
	for _, name := range []string{planFile, batchesFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
}

func TestAPlanThatIsNotSealed(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenPlan(dir); !errors.Is(err, ErrNoPlan) {
		t.Errorf("an empty folder: %v", err)
	}
	refused := errors.New("no")
	if err := Seal(dir, testHeader(newPeople(0, 1, nil)), nil, func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("sealing went on: %v", err)
	}
	if _, err := OpenPlan(dir); !errors.Is(err, ErrNoPlan) {
		t.Errorf("a plan whose sealing was refused: %v", err)
	}
}

// Every bit of the batches is covered by the header, and the header by the log.
func TestADamagedPlanIsNoticed(t *testing.T) {
	dir := t.TempDir()
	p := newPeople(9, 2, nil)
	plan := sealPlan(t, dir, p, Limits{Messages: 3, Bytes: 1 << 20})
	log, err := OpenProgressLog(dir, plan)
	must(t, err)
	must(t, log.Open(Start{Version: "test"}))
	must(t, log.Close())
	open := func() error {
		plan, err := OpenPlan(dir)
		if err != nil {
			return err
		}
		defer func() { _ = plan.Close() }()
		_, err = ReadLedger(dir, plan)
		return err
	}
	must(t, open())
	for _, name := range []string{batchesFile, planFile} {
		path := filepath.Join(dir, name)
		sound, err := os.ReadFile(path)
		must(t, err)
		damaged := map[string][]byte{"cut short": sound[:len(sound)-1], "empty": {}, "too long": append(slices.Clone(sound), 'x')}
		for i := range sound {
			damaged[string(rune(i))] = slices.Replace(slices.Clone(sound), i, i+1, sound[i]^1)
		}
		for sentence, text := range damaged {
			must(t, os.WriteFile(path, text, 0o600))
			if open() == nil {
				t.Errorf("%s with damage %q is taken", name, sentence)
			}
		}
		must(t, os.WriteFile(path, sound, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, planFile), []byte(`{"version": 3}`), 0o600))
	checkError(t, "a plan of a newer version", open(), "use the newer version")
	must(t, os.Remove(filepath.Join(dir, batchesFile)))
	if open() == nil {
		t.Error("a plan without its batches is taken")
	}
}

// A log that belongs to another plan or another run is refused.
func TestALogOfAnotherPlanIsRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	p := newPeople(9, 2, nil)
	plan := sealPlan(t, dir, p, Limits{Messages: 3, Bytes: 1 << 20})
	log, err := OpenProgressLog(dir, plan)
	must(t, err)
	must(t, log.Open(Start{Version: "test"}))
	must(t, log.Close())
	another := sealPlan(t, other, p, Limits{Messages: 2, Bytes: 1 << 20})
	if _, err := ReadLedger(dir, another); !errors.As(err, new(*PlanChangedError)) || IsDamage(err) {
		t.Errorf("the same run, another plan: %v", err)
	}
	another.Run[0]++
	if _, err := ReadLedger(dir, another); !errors.Is(err, journal.ErrOtherRun) {
		t.Errorf("another run: %v", err)
	}
}
