package report

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	parquetgo "github.com/parquet-go/parquet-go"
)

// everyKind has a column of each kind that this package writes.
type everyKind struct {
	Row    int64   `parquet:"row"`
	Text   *string `parquet:"text,optional"`
	Few    *string `parquet:"few,optional"`
	Many   *string `parquet:"many,optional"`
	Small  *int32  `parquet:"small,optional"`
	Large  *int64  `parquet:"large,optional"`
	Always string  `parquet:"always"`
}

// noValue are the patterns of rows without a value, of n rows in a group.
var noValue = []func(i, n int) bool{
	func(int, int) bool { return false },
	func(int, int) bool { return true },
	func(i, _ int) bool { return i%2 == 0 },
	func(i, _ int) bool { return i/7%2 == 0 },
	func(i, _ int) bool { return i/8%2 == 1 },
	func(i, _ int) bool { return i/100%2 == 0 },
	func(i, _ int) bool { return i == 0 },
	func(i, n int) bool { return i == n-1 },
	func(i, n int) bool { return i > 0 && i < n-1 },
	func(i, _ int) bool { return uint32(i)*2654435761>>28 == 0 },
	func(i, _ int) bool { return uint32(i)*2654435761>>28 != 0 },
}

// cell is the value of a column in a row, as text; nothing is null.
func cell(column, row int) string {
	switch column {
	case 1: // mostly of one length
		if row%97 == 0 {
			return strings.Repeat("x", row%300+1)
		}
		return fmt.Sprintf("text %016x", uint64(row)*0x9E3779B97F4A7C15)
	case 2, 6:
		return []string{"one", "two", "three"}[row/50%3]
	case 3:
		return fmt.Sprintf("a value of many %d", row/2)
	case 4:
		return fmt.Sprint(row%5 - 2)
	}
	return fmt.Sprint(int64(row%9000-500) << 33)
}

// Nulls and values in every pattern are what another library reads, and so are their number and bounds.
func TestNullsInEveryPattern(t *testing.T) {
	var b bytes.Buffer
	out, err := newParquetFile[everyKind](&b, "v1")
	must(t, err)
	e := newEncoder(out)
	want := make([][]string, 7) // by column
	for k, n := range []int{1, 2, 7, 8, 9, 63, 64, 65, 1000, 1024, 3000, rowsInGroup} {
		for pattern := range noValue {
			first, rows, each := len(want[0]), make([]int64, n), make([]uint16, n)
			for i := range n {
				rows[i], each[i] = int64(first+i+1), uint16(n-1-i)
				want[0] = append(want[0], fmt.Sprint(first+i+1))
				for column := 1; column < 7; column++ {
					text := cell(column, first+i)
					if column < 6 && noValue[(pattern+column*k)%len(noValue)](i, n) {
						text = ""
					}
					want[column] = append(want[column], text)
				}
			}
			value := func(column int) func(dst []byte, i int) []byte {
				return func(dst []byte, i int) []byte { return plain(dst, column, want[column][first+i]) }
			}
			e.begin(n)
			e.integers(rows)
			e.own(value(1))
			for column := 2; column < 7; column++ {
				e.shared(each, n, func(dst []byte, entry int) []byte { return value(column)(dst, n-1-entry) })
			}
			chunks, err := e.end()
			must(t, err)
			must(t, out.append(chunks))
		}
	}
	must(t, out.close(map[string]string{"a": "b"}))
	checkCells(t, b.Bytes(), want)
	checkBounds(t, b.Bytes(), want)
	for sentence, missing := range map[string]int{"a column that is never null has a null": 7, "a column is missing": 6} {
		again := newEncoder(out)
		again.begin(1)
		again.integers([]int64{1})
		for range missing - 1 {
			again.shared([]uint16{0}, 1, func(dst []byte, _ int) []byte { return dst })
		}
		if _, err := again.end(); err == nil {
			t.Error(sentence)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plain appends a cell as its column holds it.
func plain(dst []byte, column int, text string) []byte {
	if column != 4 && column != 5 || text == "" {
		return append(dst, text...)
	}
	var n int64
	_, _ = fmt.Sscan(text, &n)
	if column == 4 {
		return binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(n))
}

func checkCells(t *testing.T, b []byte, want [][]string) {
	t.Helper()
	in, err := file.NewParquetReader(bytes.NewReader(b))
	must(t, err)
	reader, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	must(t, err)
	table, err := reader.ReadTable(context.Background())
	must(t, err)
	defer table.Release()
	for column := range want {
		at, values := 0, table.Column(column).Data()
		for _, chunk := range values.Chunks() {
			for i := range chunk.Len() {
				got := ""
				if !chunk.IsNull(i) {
					got = chunk.ValueStr(i)
				}
				if got != want[column][at] {
					t.Fatalf("column %d, row %d: %q, want %q", column, at, got, want[column][at])
				}
				at++
			}
		}
		if at != len(want[column]) || values.NullN() != count(want[column], "") {
			t.Errorf("column %d: %d values and %d nulls, want %d and %d", column, at, values.NullN(), len(want[column]), count(want[column], ""))
		}
	}
}

func count(all []string, of string) (n int) {
	for _, s := range all {
		if s == of {
			n++
		}
	}
	return n
}

// checkBounds compares the statistics of each row group and the page index with the cells.
func checkBounds(t *testing.T, b []byte, want [][]string) {
	t.Helper()
	in, err := file.NewParquetReader(bytes.NewReader(b))
	must(t, err)
	indexed, err := parquetgo.OpenFile(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	first := 0
	for g := range in.NumRowGroups() {
		n := int(in.RowGroup(g).NumRows())
		for column := range want {
			meta, err := in.MetaData().RowGroup(g).ColumnChunk(column)
			must(t, err)
			stats, err := meta.Statistics()
			must(t, err)
			cells := want[column][first : first+n]
			var least, most []byte
			for _, text := range cells {
				v := plain(nil, column, text)
				if column == 0 {
					v = plain(nil, 5, text)
				}
				if of := indexed.Metadata().Schema[column+1].Type.V; len(v) > 0 {
					if least == nil || less(of, v, least) {
						least = v
					}
					if most == nil || less(of, most, v) {
						most = v
					}
				}
			}
			index, err := indexed.RowGroups()[g].ColumnChunks()[column].ColumnIndex()
			must(t, err)
			nulls := int64(count(cells, ""))
			if stats.NullCount() != nulls || index.NullCount(0) != nulls || index.NullPage(0) != (nulls == int64(n)) {
				t.Errorf("group %d, column %d: %d nulls, %d in the index, want %d", g, column, stats.NullCount(), index.NullCount(0), nulls)
			}
			if least == nil {
				continue
			}
			if !bytes.Equal(stats.EncodeMin(), least) || !bytes.Equal(stats.EncodeMax(), most) {
				t.Errorf("group %d, column %d: from %q to %q, want %q to %q", g, column, stats.EncodeMin(), stats.EncodeMax(), least, most)
			}
			from, to := index.MinValue(0), index.MaxValue(0)
			if !bytes.Equal(from.Bytes(), least) || !bytes.Equal(to.Bytes(), most) {
				t.Errorf("group %d, column %d: the index has %q to %q", g, column, from.Bytes(), to.Bytes())
			}
		}
		first += n
	}
}
