package ingest

import (
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// renderer appends the text of one value, which is not null.
type renderer func(dst []byte, a arrow.Array, i int) []byte

// renderText finds how the values of a type are written: numbers in plain decimal,
// dates as 2027-01-31, times of day as 09:30:00, points in time by RFC 3339 in their
// own zone, or without one when the file gives none. nil for types without a text.
func renderText(of arrow.DataType) renderer {
	switch of := of.(type) {
	case *arrow.StringType:
		return func(dst []byte, a arrow.Array, i int) []byte { return append(dst, a.(*array.String).Value(i)...) }
	case *arrow.LargeStringType:
		return func(dst []byte, a arrow.Array, i int) []byte { return append(dst, a.(*array.LargeString).Value(i)...) }
	case *arrow.BinaryType: // text of writers that do not say so
		return func(dst []byte, a arrow.Array, i int) []byte { return append(dst, a.(*array.Binary).Value(i)...) }
	case *arrow.LargeBinaryType:
		return func(dst []byte, a arrow.Array, i int) []byte { return append(dst, a.(*array.LargeBinary).Value(i)...) }
	case *arrow.NullType:
		return func(dst []byte, _ arrow.Array, _ int) []byte { return dst }
	case *arrow.BooleanType:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return strconv.AppendBool(dst, a.(*array.Boolean).Value(i))
		}
	case *arrow.Float32Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return strconv.AppendFloat(dst, float64(a.(*array.Float32).Value(i)), 'f', -1, 32)
		}
	case *arrow.Float64Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return strconv.AppendFloat(dst, a.(*array.Float64).Value(i), 'f', -1, 64)
		}
	case *arrow.Decimal128Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return append(dst, a.(*array.Decimal128).Value(i).ToString(of.Scale)...)
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
		return renderTimestamp(of)
	case *arrow.DictionaryType:
		inner := renderText(of.ValueType)
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

const (
	clockTime = "15:04:05.999999999"
	localTime = "2006-01-02T15:04:05.999999999"
)

func renderTimestamp(of *arrow.TimestampType) renderer {
	zone, layout := time.UTC, localTime
	if of.TimeZone != "" {
		layout = time.RFC3339Nano
		if named, err := of.GetZone(); err == nil {
			zone = named
		}
	}
	return func(dst []byte, a arrow.Array, i int) []byte {
		return a.(*array.Timestamp).Value(i).ToTime(of.Unit).In(zone).AppendFormat(dst, layout)
	}
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
