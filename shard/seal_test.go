package shard_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"cohort/ingest/person"
	"cohort/shard"
)

// unsealed makes sure that a folder counts for nothing and hides nothing.
func unsealed(t *testing.T, dir string) {
	t.Helper()
	if s, err := shard.Open(dir); !errors.Is(err, shard.ErrNotSealed) {
		t.Errorf("the half-made spool opens: %v, %v", s, err)
	}
	tidy(t, dir)
}

// tidy makes sure that no temporary file is left.
func tidy(t *testing.T, dir string) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
}

// mixed is a cohort with every kind of record, and a list.
func mixed(t *testing.T) ([]entry, []shard.Exclusion) {
	t.Helper()
	entries := people(t, 40)
	entries = append(entries, entry{found: "x"}, entry{found: "-"}, entries[3], entries[17], entry{found: "y"}, entries[3])
	return entries, []shard.Exclusion{
		{Number: entries[3].number, Reason: "opted_out"}, {Number: entries[9].number, Reason: person.CodeAlreadySent}, {Number: number(t, 900_000), Reason: "moved"},
	}
}

func TestABuildThatIsBrokenOffIsNoSpool(t *testing.T) {
	entries, list := mixed(t)
	const each, shards = 4, 3
	batches := (len(entries) + each - 1) / each
	boom := errors.New("the cohort file broke off")
	options := func() shard.Options {
		return shard.Options{Shards: shards, Fields: twoFields, BatchRows: 3, Exclude: listing(list)}
	}
	// breaking calls the given function before each batch, and at the end.
	breaking := func(before func(batch int) error) iter.Seq2[arrow.Record, error] {
		return func(yield func(arrow.Record, error) bool) {
			n := 0
			for r := range incoming(entries, twoFields, each) {
				if err := before(n); err != nil {
					yield(nil, err)
					return
				}
				if n++; !yield(r, nil) {
					return
				}
			}
			if err := before(n); err != nil {
				yield(nil, err)
			}
		}
	}
	breakingList := func(before func(i int) error) iter.Seq2[shard.Exclusion, error] {
		return func(yield func(shard.Exclusion, error) bool) {
			for i, e := range append(list, shard.Exclusion{}) {
				if err := before(i); err != nil {
					yield(shard.Exclusion{}, err)
					return
				}
				if i == len(list) || !yield(e, nil) {
					return
				}
			}
		}
	}
	dir := t.TempDir() // the same for all: each build finds what the one before left
	again := func(t *testing.T) {
		t.Helper()
		unsealed(t, dir)
		s := mustBuild(t, dir, incoming(entries, twoFields, each), options())
		holds(t, s, expect(entries, list, shards))
		if err := errors.Join(s.Manifest.Verify(dir), s.Close()); err != nil {
			t.Error(err)
		}
		tidy(t, dir)
	}
	broken := func(t *testing.T, want error, ctx context.Context, records iter.Seq2[arrow.Record, error], o shard.Options) {
		t.Helper()
		if m, digest, err := shard.Build(ctx, dir, records, o); !errors.Is(err, want) || digest != [32]byte{} || m.Records != 0 {
			t.Errorf("the broken build says %v", err)
		}
		again(t)
	}

	for at := range batches + 1 {
		broken(t, boom, t.Context(), breaking(func(batch int) error {
			if batch == at {
				return boom
			}
			return nil
		}), options())
		ctx, cancel := context.WithCancel(t.Context())
		broken(t, context.Canceled, ctx, breaking(func(batch int) error {
			if batch == at {
				cancel()
			}
			return nil
		}), options())
		cancel()
	}
	for at := range len(list) + 1 {
		o := options()
		o.Exclude = breakingList(func(i int) error {
			if i == at {
				return boom
			}
			return nil
		})
		broken(t, boom, t.Context(), incoming(entries, twoFields, each), o)
		ctx, cancel := context.WithCancel(t.Context())
		o.Exclude = breakingList(func(i int) error {
			if i == at {
				cancel()
			}
			return nil
		})
		broken(t, context.Canceled, ctx, incoming(entries, twoFields, each), o)
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	broken(t, context.Canceled, ctx, incoming(entries, twoFields, each), options())
}

// A process that is killed tidies nothing up.
func TestWhatAKilledBuildLeftDoesNoHarm(t *testing.T) {
	entries, list := mixed(t)
	dir := t.TempDir()
	for _, name := range []string{"shard-000.arrow", "shard-001.arrow", "invalid.arrow", "verdicts.arrow", "keys-000.tmp", "listed-001.tmp", "manifest.json.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("half "), 5000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := shard.Open(dir); !errors.Is(err, shard.ErrNotSealed) {
		t.Errorf("half a spool opens: %v", err)
	}
	s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), shard.Options{Shards: 2, Fields: twoFields, BatchRows: 4, Exclude: listing(list)}))
	holds(t, s, expect(entries, list, 2))
	if err := s.Manifest.Verify(dir); err != nil {
		t.Error(err)
	}
	tidy(t, dir)
}

func TestThereIsNoSpoolInAFolderThatIsMissingOrEmpty(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		unsealed(t, dir)
	}
	if _, _, err := shard.Build(t.Context(), filepath.Join(t.TempDir(), "missing"), incoming(nil, nil, 1), shard.Options{Shards: 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a spool in a folder that is not there: %v", err)
	}
}

// Every file in turn stands on a full disk.
func TestAFullDiskMakesNoSpool(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	entries, list := mixed(t)
	for _, name := range []string{"shard-000.arrow", "shard-001.arrow", "invalid.arrow", "verdicts.arrow", "keys-001.tmp", "listed-000.tmp", "listed-001.tmp", "manifest.json.tmp"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Symlink("/dev/full", filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			o := shard.Options{Shards: 2, Fields: twoFields, BatchRows: 3, Exclude: listing(list)}
			if _, _, err := shard.Build(t.Context(), dir, incoming(entries, twoFields, 5), o); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("a full disk is no error: %v", err)
			}
			unsealed(t, dir)
			_ = os.Remove(filepath.Join(dir, name))
			o.Exclude = listing(list)
			s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), o))
			holds(t, s, expect(entries, list, 2))
		})
	}
}

func TestVerifyFindsAFlippedByteInEveryFile(t *testing.T) {
	entries, list := mixed(t)
	dir := t.TempDir()
	s := closing(t, mustBuild(t, dir, incoming(entries, twoFields, 5), shard.Options{Shards: 2, Fields: twoFields, BatchRows: 8, Exclude: listing(list)}))
	if err := s.Manifest.Verify(dir); err != nil {
		t.Fatal(err)
	}
	files := []string{"shard-000.arrow", "shard-001.arrow", "invalid.arrow", "verdicts.arrow"}
	damaged := func(what, name string, text []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Manifest.Verify(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s, %s: %v", name, what, err)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range files {
		good, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(good); at += 61 {
			flipped := bytes.Clone(good)
			flipped[at] ^= 1 << (at % 8)
			damaged("a bit is flipped", name, flipped)
		}
		flipped := bytes.Clone(good)
		flipped[len(good)-1] ^= 0x80
		damaged("its last byte is flipped", name, flipped)
		damaged("it is cut", name, good[:len(good)-1])
		damaged("it has grown", name, append(bytes.Clone(good), 0))
		damaged("it is empty", name, nil)
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		if err := s.Manifest.Verify(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is missing: %v", name, err)
		}
		if _, err := shard.Open(dir); name != "invalid.arrow" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is missing and the spool opens: %v", name, err)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Manifest.Verify(dir); err != nil {
		t.Errorf("everything is back in its place: %v", err)
	}
}

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
	same := closing(t, mustBuild(t, other, incoming(entries, twoFields, 7), shard.Options{Shards: 2, Fields: twoFields, Exclude: listing(list)}))
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
		"shard-000.arrow": "row:int64 line:int64 number:uint64 given:utf8 town:utf8",
		"shard-001.arrow": "row:int64 line:int64 number:uint64 given:utf8 town:utf8",
		"invalid.arrow":   "row:int64 line:int64 found:utf8? code:utf8 reason:utf8",
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
		"it is of a newer version":     strings.Replace(string(good), `"version": 1`, `"version": 2`, 1),
		"people live elsewhere":        strings.Replace(string(good), "splitmix64", "fnv", 1),
		"it is cut":                    string(good[:len(good)/2]),
		"it is empty":                  "",
		"it is an empty object":        "{}",
		"it has fewer shards":          regexp.MustCompile(`(?s)"shards": \[.*?\]`).ReplaceAllString(string(good), `"shards": []`),
		"a shard has one record more":  strings.Replace(string(good), `"rows": 5`, `"rows": 6`, 1),
		"a shard has one record fewer": strings.Replace(string(good), `"rows": 5`, `"rows": 4`, 1),
	} {
		if text == string(good) {
			t.Fatalf("%s: nothing was changed", sentence)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := shard.Open(dir); err == nil || errors.Is(err, shard.ErrNotSealed) {
			t.Errorf("%s, and the spool opens: %v", sentence, err)
		}
	}
}
