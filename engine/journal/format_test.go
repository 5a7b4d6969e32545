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
	third := first[92+2*17+len("attempt of batch 1"):]
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
		"type":       frame[0] == 1 && third[0] == 3,
		"length":     frame[1] == byte(len("outcome of batch 2")) && frame[2] == 0 && frame[3] == 0,
		"seq":        string(frame[8:14]) == "\x04\x00\x00\x00\x00\x00" && string(third[8:14]) == "\x03\x00\x00\x00\x00\x00",
		"back":       string(frame[14:17]) == "\x00\x00\x00" && string(third[14:17]) == "\x02\x00\x00",
		"payload":    string(frame[17:]) == "outcome of batch 2",
		"frame":      bytes.Equal(frame, drawnFrame(second[12:16], 4, 0, Record{Type: 1, Payload: []byte("outcome of batch 2")})),
	} {
		if !ok {
			t.Errorf("the %s is not as drawn", name)
		}
	}
}

// drawnFrame is a frame as doc.go draws it, made without the package's own code.
func drawnFrame(headerSum []byte, seq, back uint64, r Record) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	start := []byte{byte(r.Type), byte(len(r.Payload)), byte(len(r.Payload) >> 8), byte(len(r.Payload) >> 16)}
	rest := []byte{byte(seq), byte(seq >> 8), byte(seq >> 16), byte(seq >> 24), byte(seq >> 32), byte(seq >> 40), byte(back), byte(back >> 8), byte(back >> 16)}
	rest = append(rest, r.Payload...)
	// A sum goes on where another ended: what the header's sum covers comes first.
	sum := crc32.Update(crc32.Update(binary.LittleEndian.Uint32(headerSum), table, start), table, rest)
	return append(binary.LittleEndian.AppendUint32(start, sum), rest...)
}

// drawnBack reads how many frames of its group stand before a frame.
func drawnBack(frame []byte) uint64 {
	return uint64(frame[14]) | uint64(frame[15])<<8 | uint64(frame[16])<<16
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
			data := fileOf(fsys, 3).Data
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
