package shard_test

import (
	"fmt"
	"testing"

	"cohort/ingest/person"
	"cohort/shard"
)

// Another program computed the numbers. They are part of the spool's format: when this test
// fails, the format has changed, and people would move to other batches.
func TestAPersonLivesInTheSameShardForEver(t *testing.T) {
	for _, row := range []struct {
		number                  person.NHSNumber
		of1, of4, of64, of65536 int
	}{
		{9990000018, 0, 1, 19, 19608},
		{9990000026, 0, 0, 0, 972},
		{9990000034, 0, 3, 61, 63295},
		{9990000042, 0, 0, 14, 14564},
		{9990000050, 0, 0, 10, 10908},
		{9990123454, 0, 0, 8, 9132},
		{9990234566, 0, 3, 53, 54457},
		{9990345678, 0, 0, 9, 9869},
		{9991111115, 0, 3, 57, 59311},
		{9992222220, 0, 2, 34, 35586},
		{9993141593, 0, 1, 29, 30663},
		{9995000008, 0, 3, 57, 59218},
		{9996543218, 0, 0, 12, 12809},
		{9997777778, 0, 0, 12, 13228},
		{9998888883, 0, 3, 60, 62000},
		{9999999905, 0, 2, 33, 34193},
		{9999990010, 0, 1, 31, 31747},
	} {
		digits := row.number.Digits()
		if _, err := person.ParseNHSNumber(digits); err != nil {
			t.Fatalf("%s: %v", digits, err)
		}
		for shards, want := range map[int]int{1: row.of1, 4: row.of4, 64: row.of64, 65536: row.of65536} {
			if got := shard.Index(row.number, shards); got != want {
				t.Errorf("%s of %d shards lives in %d, not %d", digits, shards, got, want)
			}
		}
	}
}

func TestPeopleSpreadEvenlyOverTheShards(t *testing.T) {
	const each = 2000
	for _, shards := range []int{2, 4, 8, 64} {
		count := make([]int, shards)
		for n := range each * shards {
			count[shard.Index(number(t, n), shards)]++ // neighbouring numbers, as real ranges have them
		}
		for i, n := range count {
			if n < each*80/100 || n > each*120/100 {
				t.Errorf("of %d shards, shard %d has %d people and should have about %d", shards, i, n, each)
			}
		}
	}
}

func TestMoreShardsCutOldOnesAndDoNotShuffle(t *testing.T) {
	for n := range 2000 {
		p := number(t, n)
		for shards := 1; shards < 64; shards *= 2 {
			if shard.Index(p, 2*shards)/2 != shard.Index(p, shards) {
				t.Fatalf("%s moves between %d and %d shards", p.Digits(), shards, 2*shards)
			}
		}
	}
}

func TestACohortIsCutIntoAShardForEach4MiB(t *testing.T) {
	const mib = 1 << 20
	for _, row := range []struct {
		bytes int64
		want  int
	}{
		{0, 1}, {1, 1}, {4 * mib, 1}, {4*mib + 1, 2}, {8 * mib, 2}, {8*mib + 1, 4}, {16 * mib, 4}, {100 * mib, 32},
		{128 * mib, 32}, {128*mib + 1, 64}, {256 * mib, 64}, {256*mib + 1, 64}, {1 << 40, 64}, {1<<63 - 1, 64},
	} {
		t.Run(fmt.Sprint(row.bytes, " bytes"), func(t *testing.T) {
			if got := shard.Count(row.bytes); got != row.want {
				t.Errorf("%d shards, not %d", got, row.want)
			}
		})
	}
}

func TestLanesAreAboutAsManyAsShardsWouldBe(t *testing.T) {
	for _, row := range []struct {
		bytes        int64
		routes, want int
	}{
		{1 << 40, 0, 64}, {1 << 40, 1, 64}, {1 << 40, 3, 21}, {1 << 40, 16, 4}, {1 << 40, 100, 4}, {1, 3, 1}, {8 << 20, 3, 2}, {16 << 20, 3, 4}, {100 << 20, 3, 10},
	} {
		if got := shard.CountRouted(row.bytes, row.routes); got != row.want {
			t.Errorf("%d bytes by %d routes: %d shards, not %d", row.bytes, row.routes, got, row.want)
		}
	}
}
