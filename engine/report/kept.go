package report

import (
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/format"

	"cohort/ingest/person"
)

// kept has the values of a column to keep for the records of a group.
type kept struct {
	which  []uint16 // by record: the index of its value
	values []string // the different ones; the first is empty
	known  map[string]uint16
}

func (k *kept) begin(n int) {
	if k.known == nil {
		*k = kept{which: make([]uint16, n), known: map[string]uint16{}}
	}
	k.which = k.which[:n]
	clear(k.which)
	clear(k.values)
	k.values = append(k.values[:0], "")
	clear(k.known)
	k.known[""] = 0
}

func (k *kept) put(place int, value string) {
	of, known := k.known[value]
	if !known {
		of = uint16(len(k.values))
		k.values, k.known[value] = append(k.values, value), of
	}
	k.which[place] = of
}

// putKept takes over the values of a record in a stretch.
func (g *group) putKept(place int, s *person.Stretch, i int) {
	for c, value := range s.Kept {
		g.kept[c].put(place, value(i))
	}
}

// newReport begins a file with the columns of row, and behind them those to keep.
func newReport(w io.Writer, in *Input) (*parquetFile, error) {
	f, err := newParquetFile[row](w, in.Version)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(f.Schema, func(c format.SchemaElement) bool { return c.Name == "template_version" })
	for _, name := range in.Records.Keep() {
		column := f.Schema[i] // any optional text
		column.Name = name
		f.Schema = append(f.Schema, column)
		f.Schema[0].NumChildren.V++
	}
	return f, nil
}
