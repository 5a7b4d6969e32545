package report

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// What is compressed is read back by a decoder that is not ours, whatever the texts are.
func TestTextsAreReadBack(t *testing.T) {
	c := newCompressor()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		shared := rapid.IntRange(0, 30).Draw(t, "shared")
		var texts []byte
		for range rapid.IntRange(0, 6).Draw(t, "runs") {
			size := rapid.SampledFrom([]int{0, 1, 2, 5, 10, 11, 19, 27, 36, 58, 59, 60, 61, 300}).Draw(t, "size")
			digits := rapid.SampledFrom([]int{1, 2, 10, 16, 64, 256}).Draw(t, "digits")
			x := rapid.Uint64().Draw(t, "seed")
			for range rapid.SampledFrom([]int{1, 2, 63, 64, 65, 200, 4000, 20000}).Draw(t, "texts") {
				texts = binary.LittleEndian.AppendUint32(texts, uint32(shared+size))
				texts = append(texts, bytes.Repeat([]byte("s"), shared)...)
				for range size {
					x = x*6364136223846793005 + 1442695040888963407
					texts = append(texts, byte(x>>33%uint64(digits)))
				}
			}
		}
		head := bytes.Repeat([]byte("head"), rapid.IntRange(0, 50_000).Draw(t, "head"))
		got, err := d.DecodeAll(c.packTexts(nil, head, texts, shared), nil)
		if err != nil || !bytes.Equal(got, append(head, texts...)) {
			t.Fatalf("%d bytes of %d come back: %v", len(got), len(head)+len(texts), err)
		}
	})
}

// Lengths and common beginnings take less than half a byte of each text.
func TestOnlyWhatDiffersIsStored(t *testing.T) {
	c := newCompressor()
	var texts []byte
	x := uint64(1)
	for range 16 << 10 {
		texts = append(texts, 27, 0, 0, 0)
		texts = append(texts, "the same in every one "...)
		for range 5 {
			x = x*6364136223846793005 + 1442695040888963407
			texts = append(texts, byte('a'+x>>60))
		}
	}
	if n := len(c.packTexts(nil, nil, texts, 22)); n > 16<<10*3 {
		t.Errorf("%d bytes for texts of 20 bits", n/(16<<10))
	}
}
