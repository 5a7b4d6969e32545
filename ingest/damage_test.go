package ingest_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"cohort/ingest"
	"cohort/ingest/format"
)

// mostTaken is the most memory in bytes that reading a damaged file of a few kilobytes may take in all.
// What is sound takes about 8 MiB.
const mostTaken = 192 << 20

// readDamaged reads a file that may be damaged: a clear refusal, or values that are checked
// like any others, never a crash, and no more memory than there is to read.
func readDamaged(t testing.TB, path string, file []byte) {
	must(0, os.WriteFile(path, file, 0o600))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, o := range []ingest.Options{{Fields: []string{"name", "born", "score"}, LatestBy: "changed"}, {Fields: []string{"given_name"}}} {
		r, err := ingest.Open(t.Context(), []string{path}, o)
		if err == nil {
			_, err = told(r)
		}
		if _, ok := errors.AsType[*format.FileError](err); !ok && err != nil {
			t.Fatalf("%v", err)
		}
	}
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > mostTaken {
		t.Fatalf("%d bytes take %d MiB", len(file), taken>>20)
	}
}

// sound are files that can be damaged, by the kind of their content.
func sound(t testing.TB) map[string][]string {
	files := map[string][]string{
		"Parquet": {parqueted(table(true)), parqueted(table(false))},
		"Arrow": {
			arrowed(table(true), true), arrowed(table(false), true), arrowed(table(true), false), arrowed(table(false), false),
			arrowed(table(true), true, ipc.WithLZ4()), arrowed(table(true), false, ipc.WithZstd()), arrowed(worded(), true),
		},
	}
	for _, path := range must(filepath.Glob("../cmd/cohort/testdata/cases/*.parquet")) {
		files["Parquet"] = append(files["Parquet"], string(must(os.ReadFile(path))))
	}
	for _, encoding := range []string{"plain", "dict", "delta", "delta_length"} {
		for _, codec := range []compress.Codec{&parquet.Lz4Raw, &parquet.Zstd, &parquet.Gzip, &parquet.Brotli} {
			files["Parquet"] = append(files["Parquet"], encoded(encoding, codec, 1), encoded(encoding, codec, 2))
		}
	}
	return files
}

// encoded writes a few people in an encoding.
func encoded(encoding string, codec compress.Codec, version int) string {
	number, name := parquet.Leaf(parquet.Int64Type), parquet.Optional(parquet.String())
	switch encoding {
	case "dict":
		number, name = parquet.Encoded(number, &parquet.RLEDictionary), parquet.Encoded(name, &parquet.RLEDictionary)
	case "delta":
		number, name = parquet.Encoded(number, &parquet.DeltaBinaryPacked), parquet.Encoded(name, &parquet.DeltaByteArray)
	case "delta_length":
		number, name = parquet.Encoded(number, &parquet.DeltaBinaryPacked), parquet.Encoded(name, &parquet.DeltaLengthByteArray)
	}
	schema := parquet.NewSchema("people", parquet.Group{"nhs_number": parquet.Compressed(number, codec), "given_name": parquet.Compressed(name, codec)})
	var out bytes.Buffer
	w := parquet.NewWriter(&out, schema, parquet.DataPageVersion(version))
	for i := range 300 {
		row := map[string]any{"nhs_number": int64(9990001006), "given_name": strings.Repeat("Siân", i%3)}
		if i%7 == 0 {
			delete(row, "given_name")
		}
		must(0, w.Write(row))
	}
	must(0, w.Close())
	return out.String()
}

func TestDamagedColumns(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 4
	}
	path := filepath.Join(t.TempDir(), "c")
	for kind, files := range sound(t) {
		for i, whole := range files {
			for round := range rounds {
				random := rand.New(rand.NewPCG(uint64(round), uint64(i)))
				file := []byte(whole)
				for range 1 + random.IntN(3) {
					file[8+random.IntN(len(file)-8)] = []byte{byte(random.Uint32()), 0xff, 0x7f, 0x80}[random.IntN(4)]
				}
				t.Run(kind, func(t *testing.T) { readDamaged(t, path, file) })
			}
		}
	}
}

func FuzzDamagedArrow(f *testing.F)   { fuzzDamaged(f, "Arrow") }
func FuzzDamagedParquet(f *testing.F) { fuzzDamaged(f, "Parquet") }

func fuzzDamaged(f *testing.F, kind string) {
	for _, file := range sound(f)[kind] {
		f.Add([]byte(file))
	}
	path := filepath.Join(f.TempDir(), "c")
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) < 1<<16 {
			readDamaged(t, path, file)
		}
	})
}
