package ledger

import (
	"errors"
	"slices"
	"testing"
)

func TestBatchesAreWrittenAsRanges(t *testing.T) {
	for text, numbers := range map[string][]uint32{"0": {0}, "1-4,9": {9, 4, 3, 2, 1, 3}, "0-1": {1, 0}, "2,4": {4, 2}} {
		if got := Batches(numbers); got != text {
			t.Errorf("%v is written as %q, not %q", numbers, got, text)
		}
		want := slices.Compact(slices.Sorted(slices.Values(numbers)))
		if got, err := batchesOf(text, 10); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "4-1", "10", "1-10", "1,,2", "-1"} {
		if got, err := batchesOf(text, 10); !errors.Is(err, ErrIllegal) {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
}
