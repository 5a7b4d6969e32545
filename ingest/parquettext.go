package ingest

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// logical is what the values of a leaf stand for; nil when their type says it all. Older
// writers give a converted type only.
func (l *parquetLeaf) logical() any {
	if l.LogicalType.Value != nil {
		return l.LogicalType.Value
	}
	stamp := func(unit format.TimeUnitValue) any {
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: unit}}
	}
	converted := l.ConvertedType.V
	switch {
	case !l.ConvertedType.Valid:
		return nil
	case converted == deprecated.Decimal:
		return &format.DecimalType{Scale: l.Scale.V}
	case converted == deprecated.Date:
		return &format.DateType{}
	case converted == deprecated.TimeMillis:
		return &format.TimeType{Unit: format.TimeUnit{Value: &format.MilliSeconds{}}}
	case converted == deprecated.TimeMicros:
		return &format.TimeType{Unit: format.TimeUnit{Value: &format.MicroSeconds{}}}
	case converted == deprecated.TimestampMillis:
		return stamp(&format.MilliSeconds{})
	case converted == deprecated.TimestampMicros:
		return stamp(&format.MicroSeconds{})
	case converted >= deprecated.Uint8 && converted <= deprecated.Uint64:
		return &format.IntType{}
	case converted == deprecated.List, converted == deprecated.Map, converted == deprecated.Interval:
		return converted
	}
	return nil
}

// width is how many bytes a value takes; 0 when values differ in it.
func (l *parquetLeaf) width() int {
	switch l.Type.V {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	case format.FixedLenByteArray:
		return int(max(l.TypeLength.V, 0))
	}
	return 0
}

// field describes the column.
func (l *parquetLeaf) field() field {
	f := field{name: l.Name, kind: "nested", text: l.renderer(style{}) != nil}
	logical := l.logical()
	switch logical.(type) {
	case *format.ListType:
		f.kind = "list"
	case *format.MapType:
		f.kind = "map"
	case *format.IntType, *format.DecimalType, nil:
		f.number = l.Type.V != format.ByteArray && l.Type.V != format.FixedLenByteArray || logical != nil
	}
	switch logical {
	case deprecated.List:
		f.kind = "list"
	case deprecated.Map:
		f.kind = "map"
	}
	f.short = l.Type.V == format.Float
	if !l.nested {
		f.kind = l.Type.V.String()
	}
	return f
}

// renderer finds how a leaf's values are written; see style. nil: they have no text.
func (l *parquetLeaf) renderer(s style) func(dst, value []byte) []byte {
	logical := l.logical()
	if l.nested || logical == deprecated.Interval || !l.Type.Valid {
		return nil
	}
	whole := func(v []byte) int64 { return int64(binary.LittleEndian.Uint64(v)) }
	if l.Type.V == format.Int32 {
		whole = func(v []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(v))) }
	}
	numeric := l.Type.V == format.Int32 || l.Type.V == format.Int64
	switch t := logical.(type) {
	case *format.DecimalType:
		if numeric {
			return func(dst, v []byte) []byte { return decimal(dst, strconv.AppendInt(nil, whole(v), 10), int(t.Scale)) }
		}
		return func(dst, v []byte) []byte { return decimal(dst, bigEndian(v).Append(nil, 10), int(t.Scale)) }
	case *format.DateType:
		return func(dst, v []byte) []byte { return time.Unix(whole(v)*86400, 0).UTC().AppendFormat(dst, time.DateOnly) }
	case *format.TimeType:
		unit := unitOf(t.Unit)
		return func(dst, v []byte) []byte { return since(whole(v), unit).UTC().AppendFormat(dst, clockTime) }
	case *format.TimestampType:
		unit, render := unitOf(t.Unit), s.wall
		if t.IsAdjustedToUTC {
			render = s.instant
		}
		return func(dst, v []byte) []byte { return render(dst, since(whole(v), unit)) }
	case *format.IntType:
		if !t.IsSigned && l.Type.V == format.Int32 {
			return func(dst, v []byte) []byte { return strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(v)), 10) }
		} else if !t.IsSigned {
			return func(dst, v []byte) []byte { return strconv.AppendUint(dst, binary.LittleEndian.Uint64(v), 10) }
		}
	case *format.UUIDType:
		return func(dst, v []byte) []byte {
			return fmt.Appendf(dst, "%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
		}
	case *format.Float16Type:
		return nil
	}
	switch l.Type.V {
	case format.Boolean:
		return func(dst, v []byte) []byte { return strconv.AppendBool(dst, v[0] != 0) }
	case format.Int32, format.Int64:
		return func(dst, v []byte) []byte { return strconv.AppendInt(dst, whole(v), 10) }
	case format.Int96: // nanoseconds of a Julian day: an instant, as Spark writes it
		const epoch = 2440588
		return func(dst, v []byte) []byte {
			day := int64(binary.LittleEndian.Uint32(v[8:])) - epoch
			return s.instant(dst, time.Unix(day*86400, whole(v)))
		}
	case format.Float:
		return func(dst, v []byte) []byte {
			return float(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(v))), 32)
		}
	case format.Double:
		return func(dst, v []byte) []byte { return float(dst, math.Float64frombits(binary.LittleEndian.Uint64(v)), 64) }
	}
	return func(dst, v []byte) []byte { return append(dst, v...) } // text, said to be or not
}

func unitOf(u format.TimeUnit) time.Duration {
	if u.Value == nil {
		return time.Nanosecond
	}
	return u.Value.Duration()
}

// since is so many units after 1970.
func since(n int64, unit time.Duration) time.Time {
	perSecond := int64(time.Second / unit)
	return time.Unix(n/perSecond, n%perSecond*int64(unit))
}

// bigEndian reads a whole number of any length, in two's complement.
func bigEndian(v []byte) *big.Int {
	n := new(big.Int).SetBytes(v)
	if len(v) > 0 && v[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v))))
	}
	return n
}

// decimal appends a number with so many digits behind its point.
func decimal(dst, digits []byte, scale int) []byte {
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	if scale <= 0 || scale > 100 {
		return append(dst, append(digits, slices.Repeat([]byte{'0'}, max(0, min(-scale, 100)))...)...)
	}
	if lack := scale + 1 - len(digits); lack > 0 {
		digits = append(slices.Repeat([]byte{'0'}, lack), digits...)
	}
	point := len(digits) - scale
	return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
}

// float appends a number in plain decimal, and nothing for one that is none.
func float(dst []byte, n float64, size int) []byte {
	if math.IsNaN(n) {
		return dst
	}
	return strconv.AppendFloat(dst, n, 'f', -1, size)
}
