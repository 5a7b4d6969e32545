package ledger

import (
	"testing"
	"unsafe"
)

func TestAStateIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(State{}); size > 28 {
		t.Errorf("a state takes %d bytes", size)
	}
}
