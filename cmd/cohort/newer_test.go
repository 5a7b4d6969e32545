package main

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/engine/disk"
	"cohort/engine/refusal"
)

// A file of a newer format is refused, and nothing is sent. The formats that a send does not come by are refused in
// their own packages' tests.
func TestNewerFormatsAreRefused(t *testing.T) {
	elsewhere := map[string]bool{"inbox": true, "audit": true, "reach": true}
	newer := map[string]struct {
		file string // of the older runs in testdata
		make func(string) string
	}{
		"plan":     {"notify/run/plan.json", number(`"version": 1`, `"version": 4`)},
		"spool":    {"notify/run/spool/manifest.json", number(`"version": 2`, `"version": 3`)},
		"register": {"notify/.cohort/register.jsonl", number(`{"at"`, `{"format":2,"at"`)},
		"log":      {"notify/run/log/0000000000000001.log", newerSegment},
		"files":    {"file/run/files/manifest.json", func(string) string { return `{"version":2,"run_id":7}` }},
	}
	for _, f := range formats {
		test, here := newer[f.Name]
		if here == elsewhere[f.Name] {
			t.Errorf("%s has no test here, or two", f.Name)
		}
		if !here {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			w := &world{t: t, dir: t.TempDir()}
			folder := olderRun(w, strings.Split(test.file, "/")[0])
			path := filepath.Join(w.dir, test.file)
			text, err := os.ReadFile(path)
			if err != nil && f.Name != "files" {
				t.Fatal(err)
			}
			changed := test.make(string(text))
			if changed == string(text) {
				t.Fatalf("%s: nothing was changed", path)
			}
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			err = called(t, "resume "+filepath.Join(folder, "run"))
			wanted := refusal.ExitRefused
			if f.Name == "files" { // they are made at the end
				wanted = refusal.ExitStopped
			}
			code, _, _ := outcome(err)
			if code != wanted || !errors.Is(err, disk.ErrNewer) || !strings.Contains(err.Error(), disk.ErrNewer.Error()) || strings.Contains(err.Error(), "damaged") {
				t.Errorf("exit %d: %v", code, err)
			}
		})
	}
}

func number(old, replaced string) func(string) string {
	return func(text string) string { return strings.Replace(text, old, replaced, 1) }
}

// newerSegment raises the version of a segment, with the header's sum as doc.go of engine/journal draws it.
func newerSegment(text string) string {
	b := []byte(text)
	binary.LittleEndian.PutUint16(b[8:], 2)
	sum := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(b[12:], crc32.Update(crc32.Checksum(b[:12], sum), sum, b[16:92]))
	return string(b)
}
