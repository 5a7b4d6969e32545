package report

import (
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

// addTexts adds optional columns of texts to the schema, behind the others.
func (f *parquetFile) addTexts(names []string) {
	for _, name := range names {
		var like format.SchemaElement // any column of texts
		for _, c := range f.Schema {
			if c.Name == "template_version" {
				like = c
			}
		}
		like.Name = name
		f.Schema = append(f.Schema, like)
		if len(f.ColumnOrders) > 0 {
			f.ColumnOrders = append(f.ColumnOrders, f.ColumnOrders[0])
		}
		f.Schema[0].NumChildren.V++
	}
}
