package ingest

import (
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// style says how the times of a column are written: an instant as RFC 3339 in a time zone,
// a time by the clock on the wall without one, and in a column of dates what falls on
// midnight as a date.
type style struct {
	zone *time.Location
	days bool
}

const (
	clockTime = "15:04:05.999999999"
	localTime = "2006-01-02T15:04:05.999999999"
)

func (s style) instant(dst []byte, t time.Time) []byte {
	return s.moment(dst, t.In(s.zone), time.RFC3339Nano)
}
func (s style) wall(dst []byte, t time.Time) []byte { return s.moment(dst, t.UTC(), localTime) }

func (s style) moment(dst []byte, t time.Time, layout string) []byte {
	if s.days && t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0 {
		layout = time.DateOnly
	}
	return t.AppendFormat(dst, layout)
}

// renderer appends the text of one value, which is not null.
type renderer func(dst []byte, a arrow.Array, i int) []byte

// renderText finds how the values of a type are written: numbers in plain decimal,
// dates as 2027-01-31, times of day as 09:30:00, points in time as style says. nil for
// types without a text.
func renderText(of arrow.DataType, s style) renderer {
	switch of := of.(type) {
	case *arrow.StringType:
		return texts[*array.String]
	case *arrow.LargeStringType:
		return texts[*array.LargeString]
	case *arrow.StringViewType:
		return texts[*array.StringView]
	case *arrow.BinaryType: // text of writers that do not say so
		return binaries[*array.Binary]
	case *arrow.LargeBinaryType:
		return binaries[*array.LargeBinary]
	case *arrow.BinaryViewType:
		return binaries[*array.BinaryView]
	case *arrow.FixedSizeBinaryType:
		return binaries[*array.FixedSizeBinary]
	case *arrow.NullType:
		return func(dst []byte, _ arrow.Array, _ int) []byte { return dst }
	case *arrow.BooleanType:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return strconv.AppendBool(dst, a.(*array.Boolean).Value(i))
		}
	case *arrow.Float32Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return float(dst, float64(a.(*array.Float32).Value(i)), 32)
		}
	case *arrow.Float64Type:
		return func(dst []byte, a arrow.Array, i int) []byte { return float(dst, a.(*array.Float64).Value(i), 64) }
	case *arrow.Decimal128Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return decimal(dst, a.(*array.Decimal128).Value(i).BigInt().Append(nil, 10), int(of.Scale))
		}
	case *arrow.Decimal256Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return decimal(dst, a.(*array.Decimal256).Value(i).BigInt().Append(nil, 10), int(of.Scale))
		}
	case *arrow.Date32Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return a.(*array.Date32).Value(i).ToTime().AppendFormat(dst, time.DateOnly)
		}
	case *arrow.Date64Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return a.(*array.Date64).Value(i).ToTime().AppendFormat(dst, time.DateOnly)
		}
	case *arrow.Time32Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return a.(*array.Time32).Value(i).ToTime(of.Unit).AppendFormat(dst, clockTime)
		}
	case *arrow.Time64Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return a.(*array.Time64).Value(i).ToTime(of.Unit).AppendFormat(dst, clockTime)
		}
	case *arrow.TimestampType:
		render := s.wall
		if of.TimeZone != "" {
			render = s.instant
		}
		return func(dst []byte, a arrow.Array, i int) []byte {
			return render(dst, a.(*array.Timestamp).Value(i).ToTime(of.Unit))
		}
	case *arrow.DictionaryType:
		inner := renderText(of.ValueType, s)
		if inner == nil {
			return nil
		}
		return func(dst []byte, a arrow.Array, i int) []byte {
			d := a.(*array.Dictionary)
			if k := d.GetValueIndex(i); d.Dictionary().IsValid(k) {
				return inner(dst, d.Dictionary(), k)
			}
			return dst
		}
	}
	return renderWhole(of)
}

func texts[A interface{ Value(int) string }](dst []byte, a arrow.Array, i int) []byte {
	return append(dst, a.(A).Value(i)...)
}

func binaries[A interface{ Value(int) []byte }](dst []byte, a arrow.Array, i int) []byte {
	return append(dst, a.(A).Value(i)...)
}

// renderWhole is renderText of the whole numbers.
func renderWhole(of arrow.DataType) renderer {
	switch of.ID() {
	case arrow.INT8:
		return wholes(func(a *array.Int8, i int) int64 { return int64(a.Value(i)) })
	case arrow.INT16:
		return wholes(func(a *array.Int16, i int) int64 { return int64(a.Value(i)) })
	case arrow.INT32:
		return wholes(func(a *array.Int32, i int) int64 { return int64(a.Value(i)) })
	case arrow.INT64:
		return wholes(func(a *array.Int64, i int) int64 { return a.Value(i) })
	case arrow.UINT8:
		return wholes(func(a *array.Uint8, i int) int64 { return int64(a.Value(i)) })
	case arrow.UINT16:
		return wholes(func(a *array.Uint16, i int) int64 { return int64(a.Value(i)) })
	case arrow.UINT32:
		return wholes(func(a *array.Uint32, i int) int64 { return int64(a.Value(i)) })
	case arrow.UINT64:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return strconv.AppendUint(dst, a.(*array.Uint64).Value(i), 10)
		}
	}
	return nil
}

func wholes[A arrow.Array](value func(A, int) int64) renderer {
	return func(dst []byte, a arrow.Array, i int) []byte { return strconv.AppendInt(dst, value(a.(A), i), 10) }
}

// arrowColumns writes the rows of Arrow's record batches.
type arrowColumns struct {
	columns []arrow.Field
	wanted  []int
	texts   []renderer
	arrays  []arrow.Array
}

func (a *arrowColumns) fields() (all []field) {
	for _, f := range a.columns {
		of := f.Type
		if d, is := of.(*arrow.DictionaryType); is {
			of = d.ValueType
		}
		all = append(all, field{
			name: f.Name, kind: f.Type.Name(), text: renderText(f.Type, style{}) != nil,
			number: renderWhole(of) != nil || arrow.IsFloating(of.ID()) || arrow.IsDecimal(of.ID()), short: of.ID() == arrow.FLOAT32,
		})
	}
	return all
}

func (a *arrowColumns) choose(wanted []int, styles []style) error {
	a.wanted, a.arrays = wanted, make([]arrow.Array, len(wanted))
	for i, k := range wanted {
		a.texts = append(a.texts, renderText(a.columns[k].Type, styles[i]))
	}
	return nil
}

// take begins the rows of a batch.
func (a *arrowColumns) take(record arrow.Record) int {
	for i, k := range a.wanted {
		a.arrays[i] = record.Column(k)
	}
	return int(record.NumRows())
}

func (a *arrowColumns) write(dst []byte, i, row int) ([]byte, error) {
	if a.arrays[i].IsValid(row) {
		dst = a.texts[i](dst, a.arrays[i], row)
	}
	return dst, nil
}
