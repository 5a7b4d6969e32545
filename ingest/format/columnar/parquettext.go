package columnar

import (
	"time"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// parquetLeaf is a column of the schema, and its index in a row group.
type parquetLeaf struct {
	format.SchemaElement
	index int
}

// logical finds the logical type of a leaf; nil when it has none. Older writers give only a
// converted type; its times are instants.
func (l *parquetLeaf) logical() any {
	if l.LogicalType.Value != nil || !l.ConvertedType.Valid {
		return l.LogicalType.Value
	}
	millis, micros := format.TimeUnit{Value: &format.MilliSeconds{}}, format.TimeUnit{Value: &format.MicroSeconds{}}
	switch converted := l.ConvertedType.V; converted {
	case deprecated.Decimal:
		return &format.DecimalType{Scale: l.Scale.V}
	case deprecated.Date:
		return &format.DateType{}
	case deprecated.TimeMillis:
		return &format.TimeType{Unit: millis}
	case deprecated.TimeMicros:
		return &format.TimeType{Unit: micros}
	case deprecated.TimestampMillis:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: millis}
	case deprecated.TimestampMicros:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: micros}
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return &format.IntType{}
	case deprecated.List:
		return &format.ListType{}
	case deprecated.Map:
		return &format.MapType{}
	case deprecated.Interval:
		return converted
	}
	return nil
}

// width counts the bytes of a value; 0 when values differ in length.
func (l *parquetLeaf) width() int {
	if l.Type.V == format.FixedLenByteArray {
		return int(max(l.TypeLength.V, 0))
	}
	return map[format.Type]int{format.Int32: 4, format.Float: 4, format.Int64: 8, format.Double: 8, format.Int96: 12}[l.Type.V]
}

// field describes the column.
func (l *parquetLeaf) field() field {
	f := field{name: l.Name, kind: l.Type.V.String(), text: l.text(style{}) != nil, short: l.Type.V == format.Float}
	switch l.logical().(type) {
	case *format.ListType:
		f.kind = "list"
	case *format.MapType:
		f.kind = "map"
	case *format.DecimalType:
		f.number = true
	case *format.IntType, nil:
		f.number = l.Type.V != format.ByteArray && l.Type.V != format.FixedLenByteArray
		if l.NumChildren.V > 0 {
			f.kind = "nested"
		}
	}
	return f
}

// text finds the renderer for a leaf; nil when its values have no plain text.
func (l *parquetLeaf) text(s style) renderer {
	if !l.Type.Valid || l.RepetitionType.V == format.Repeated {
		return nil
	}
	numeric := l.Type.V == format.Int32 || l.Type.V == format.Int64
	switch t := l.logical().(type) {
	case *format.DecimalType:
		if t.Scale < 0 || t.Scale > 100 {
			return nil
		}
		return decimal(int(t.Scale), numeric)
	case *format.DateType:
		return clocked(24*time.Hour, time.DateOnly)
	case *format.TimeType:
		return clocked(t.Unit.Value.Duration(), clockTime)
	case *format.TimestampType:
		return s.timestamp(t.Unit.Value.Duration(), t.IsAdjustedToUTC)
	case *format.IntType:
		if !t.IsSigned {
			return unsignedText
		}
	case *format.UUIDType:
		return uuidText
	case *format.Float16Type, deprecated.ConvertedType:
		return nil
	}
	switch l.Type.V {
	case format.Boolean:
		return booleanText
	case format.Int32, format.Int64:
		return wholeText
	case format.Int96:
		return s.int96
	case format.Float, format.Double:
		return floatText
	}
	return plainText // some writers store text as binary
}
