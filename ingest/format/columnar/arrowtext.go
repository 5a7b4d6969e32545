package columnar

import (
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// arrowText finds the renderer for a type; nil when its values have no plain text.
func arrowText(of arrow.DataType, s style) renderer {
	switch of := of.(type) {
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType, *arrow.NullType,
		*arrow.BinaryType, *arrow.LargeBinaryType, *arrow.BinaryViewType, *arrow.FixedSizeBinaryType: // some writers store text as binary
		return plainText
	case *arrow.BooleanType:
		return booleanText
	case *arrow.Float32Type, *arrow.Float64Type:
		return floatText
	case *arrow.Decimal128Type:
		return decimal(int(of.Scale), true)
	case *arrow.Decimal256Type:
		return decimal(int(of.Scale), true)
	case *arrow.Date32Type:
		return clocked(24*time.Hour, time.DateOnly)
	case *arrow.Date64Type:
		return clocked(time.Millisecond, time.DateOnly)
	case *arrow.Time32Type:
		return clocked(of.Unit.Multiplier(), clockTime)
	case *arrow.Time64Type:
		return clocked(of.Unit.Multiplier(), clockTime)
	case *arrow.TimestampType:
		return s.timestamp(of.Unit.Multiplier(), of.TimeZone != "")
	case *arrow.DictionaryType:
		return arrowText(of.ValueType, s)
	}
	switch {
	case arrow.IsUnsignedInteger(of.ID()):
		return unsignedText
	case arrow.IsInteger(of.ID()):
		return wholeText
	}
	return nil
}

// arrowColumns writes the rows of Arrow record batches as text.
type arrowColumns struct {
	columns []arrow.Field
	wanted  []int
	texts   []renderer
	arrays  []arrow.Array
	values  []func(i int) []byte
}

func (a *arrowColumns) fields() (all []field) {
	for _, f := range a.columns {
		of := f.Type
		if d, is := of.(*arrow.DictionaryType); is {
			of = d.ValueType
		}
		id := of.ID()
		all = append(all, field{
			name: f.Name, kind: of.Name(), text: arrowText(of, style{}) != nil, short: id == arrow.FLOAT32,
			number: arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id),
		})
	}
	return all
}

func (a *arrowColumns) choose(wanted []int, styles []style) {
	a.wanted, a.arrays, a.values = wanted, make([]arrow.Array, len(wanted)), make([]func(int) []byte, len(wanted))
	for i, k := range wanted {
		a.texts = append(a.texts, arrowText(a.columns[k].Type, styles[i]))
	}
}

// take begins the rows of a batch.
func (a *arrowColumns) take(record arrow.Record) int {
	for i, k := range a.wanted {
		a.arrays[i], a.values[i] = record.Column(k), arrowValues(record.Column(k))
	}
	return int(record.NumRows())
}

func (a *arrowColumns) write(dst []byte, i, row int) ([]byte, error) {
	if a.arrays[i].IsValid(row) {
		dst = a.texts[i](dst, a.values[i](row))
	}
	return dst, nil
}

// arrowValues returns the bytes of an array's i-th value. They are valid until the next call.
func arrowValues(a arrow.Array) func(i int) []byte {
	var room []byte
	switch a := a.(type) {
	case *array.Null:
		return func(int) []byte { return nil }
	case *array.Boolean:
		return func(i int) []byte {
			if a.Value(i) {
				return []byte{1}
			}
			return []byte{0}
		}
	case *array.Dictionary:
		values := arrowValues(a.Dictionary())
		return func(i int) []byte {
			if k := a.GetValueIndex(i); a.Dictionary().IsValid(k) {
				return values(k)
			}
			return nil
		}
	case interface{ Value(int) []byte }:
		return a.Value
	case interface{ Value(int) string }:
		return func(i int) []byte {
			room = append(room[:0], a.Value(i)...)
			return room
		}
	}
	width := a.DataType().(arrow.FixedWidthDataType).BitWidth() / 8
	values := a.Data().Buffers()[1].Bytes()[a.Data().Offset()*width:]
	return func(i int) []byte { return values[i*width : (i+1)*width] }
}
