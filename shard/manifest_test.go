package shard_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"

	"cohort/shard"
)

// masked are the parts of a manifest that follow the encoder's version, not the format.
var masked = regexp.MustCompile(`("bytes": |"sha256": ")[0-9a-f]+`)

func TestTheManifestIsWrittenAsTheFormatHasIt(t *testing.T) {
	entries, list := mixed(t)
	dir := t.TempDir()
	s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(list)}))
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(text) != s.Digest {
		t.Error("the digest is not the manifest's")
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "manifest.golden"))
	if err != nil {
		t.Fatal(err)
	}
	if got := masked.ReplaceAllString(string(text), "${1}*"); got != strings.TrimSuffix(string(golden), "\n") {
		t.Errorf("the manifest is\n%s\nand not\n%s", got, golden)
	}
	other := t.TempDir()
	same := closing(t, mustBuild(t, other, incoming(entries, twoFields, 5), shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(list)}))
	if same.Digest != s.Digest {
		t.Error("the same cohort made another spool")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		found = append(found, filepath.Base(name))
		if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v %v", name, info.Mode(), err)
		}
	}
	if want := []string{"invalid.arrow", "manifest.json", "shard-000.arrow", "shard-001.arrow", "verdicts.arrow"}; !slices.Equal(found, want) {
		t.Errorf("the folder holds %q", found)
	}
	schemas := map[string]string{
		"shard-000.arrow": "row:int64 file:uint16 line:int64 number:uint64 reference:utf8? given:utf8 town:utf8",
		"shard-001.arrow": "row:int64 file:uint16 line:int64 number:uint64 reference:utf8? given:utf8 town:utf8",
		"invalid.arrow":   "row:int64 file:uint16 line:int64 found:utf8? code:utf8 reason:utf8 reference:utf8?",
		"verdicts.arrow":  "verdict:uint8",
	}
	for _, info := range slices.Concat(s.Manifest.Shards, s.Manifest.Others) {
		raw, err := os.ReadFile(filepath.Join(dir, info.File))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != info.SHA256 || int64(len(raw)) != info.Bytes {
			t.Errorf("%s is not as the manifest describes it", info.File)
		}
		if schema, rows := describe(t, raw); schema != schemas[info.File] || rows != info.Rows {
			t.Errorf("%s holds %d rows of %s", info.File, rows, schema)
		}
	}
}

// describe reads an Arrow file's schema and counts its rows.
func describe(t *testing.T, raw []byte) (schema string, rows int64) {
	t.Helper()
	r, err := ipc.NewFileReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Schema().Fields() {
		schema += " " + f.Name + ":" + f.Type.String()
		if f.Nullable {
			schema += "?"
		}
	}
	for i := range r.NumRecords() {
		record, err := r.RecordAt(i)
		if err != nil {
			t.Fatal(err)
		}
		rows += record.NumRows()
	}
	return strings.TrimSpace(schema), rows
}

func TestAManifestOfAnotherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	_ = closing(t, mustBuild(t, dir, incoming(people(t, 5), twoFields, 5), shard.Options{Shards: 1, Fields: twoFields}))
	path := filepath.Join(dir, "manifest.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for sentence, text := range map[string]string{
		"it is of a newer version":      strings.Replace(string(good), `"version": 2`, `"version": 3`, 1),
		"it is of the first version":    strings.Replace(string(good), `"version": 2`, `"version": 1`, 1),
		"the rule is unknown":           strings.Replace(string(good), `"duplicates": "first"`, `"duplicates": "longest"`, 1),
		"people live elsewhere":         strings.Replace(string(good), "splitmix64", "fnv", 1),
		"it is cut":                     string(good[:len(good)/2]),
		"it is empty":                   "",
		"it is an empty object":         "{}",
		"a record batch has no records": strings.Replace(string(good), `"batch_rows": 4096`, `"batch_rows": 0`, 1),
		"it has fewer shards":           regexp.MustCompile(`(?s)"shards": \[.*?\]`).ReplaceAllString(string(good), `"shards": []`),
		"a shard has one record more":   strings.Replace(string(good), `"rows": 5`, `"rows": 6`, 1),
		"a shard has one record fewer":  strings.Replace(string(good), `"rows": 5`, `"rows": 4`, 1),
	} {
		if text == string(good) {
			t.Fatalf("%s: nothing was changed", sentence)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := shard.Open(dir); err == nil || errors.Is(err, shard.ErrNotSealed) {
			t.Errorf("%s, and the spool opens: %v", sentence, err)
		} else if strings.Contains(text, `"version": 1`) && !strings.Contains(err.Error(), "format 1") {
			t.Errorf("the first format is not refused by name: %v", err)
		}
	}
}
