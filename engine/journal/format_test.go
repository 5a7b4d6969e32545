package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenDir makes a log of two segments on the real filesystem.
func goldenDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	for _, payloads := range [][]string{{"attempt of batch 1", "", "outcome"}, {"outcome of batch 2"}} {
		l, err := Open(dir, testRun, Options{}, nil)
		must(t, err)
		for i, p := range payloads {
			must(t, l.Append(Type(i+1), []byte(p)))
		}
		must(t, l.Close())
	}
	return dir
}

// The bytes of a small log. A difference means that old logs can no longer be read:
// the version must change, and this program must go on reading the old one.
func TestGolden(t *testing.T) {
	dir := goldenDir(t)
	names, err := os.ReadDir(dir)
	must(t, err)
	var got strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name.Name()))
		must(t, err)
		fmt.Fprintf(&got, "%s\n%s", name.Name(), hex.Dump(data))
	}
	const golden = "testdata/golden.hex"
	if *update {
		must(t, os.WriteFile(golden, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if got.String() != string(want) {
		t.Errorf("the bytes are\n%s\nand should be\n%s", got.String(), want)
	}
}

// The drawing in doc.go, read by its offsets and not by the package's own code.
func TestDrawing(t *testing.T) {
	dir := goldenDir(t)
	first, err := os.ReadFile(filepath.Join(dir, "0000000000000001.log"))
	must(t, err)
	second, err := os.ReadFile(filepath.Join(dir, "0000000000000002.log"))
	must(t, err)
	le := binary.LittleEndian
	sum := crc32.Checksum(append(bytes.Clone(second[:12]), second[16:92]...), crc32.MakeTable(crc32.Castagnoli))
	chain := sha256.Sum256(first)
	frame := second[92:]
	covered := append(le.AppendUint32(nil, sum), frame[0:4]...)
	covered = append(covered, frame[8:]...)
	for name, ok := range map[string]bool{
		"magic":      string(second[:8]) == "cohortlg",
		"version":    le.Uint16(second[8:]) == 1,
		"flags":      le.Uint16(second[10:]) == 0,
		"sum":        le.Uint32(second[12:]) == sum,
		"run id":     bytes.Equal(second[16:32], testRun[:]),
		"number":     le.Uint64(second[32:]) == 2,
		"first seq":  le.Uint64(second[40:]) == 4,
		"prev end":   le.Uint64(second[48:]) == uint64(len(first)),
		"prev chain": bytes.Equal(second[56:88], chain[:]),
		"key id":     le.Uint32(second[88:]) == 0,
		"length":     le.Uint32(frame) == uint32(len("outcome of batch 2")),
		"seq":        le.Uint64(frame[8:]) == 4,
		"type":       frame[16] == 1,
		"payload":    string(frame[17:]) == "outcome of batch 2",
		"frame sum":  le.Uint32(frame[4:]) == drawnSum(sum, covered[4:]),
	} {
		if !ok {
			t.Errorf("the %s is not as drawn", name)
		}
	}
}

// drawnSum is the CRC-32C whose state before the bytes is that of a sum of what came
// before them.
func drawnSum(before uint32, b []byte) uint32 {
	return crc32.Update(before, crc32.MakeTable(crc32.Castagnoli), b)
}

func TestNewerFormatIsRefusedByName(t *testing.T) {
	tests := map[string]struct {
		offset int
		name   string
	}{
		"version": {8, "version 7"},
		"flags":   {10, "flags 0x7"},
		"key":     {88, "key 7"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fsys, _ := sampleLog(t)
			data := fileOf(fsys, 3).data
			data[test.offset] = 7
			binary.LittleEndian.PutUint32(data[12:], headerSum(data))
			_, err := Read("log", testRun, small(fsys), nil)
			if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), test.name) {
				t.Errorf("the error is %v", err)
			}
			if _, err := Open("log", testRun, small(fsys), nil); !errors.Is(err, ErrNewer) {
				t.Errorf("Open: %v", err)
			}
		})
	}
}
