package columnar

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"
)

// renderer appends the text of a value to dst. value holds its bytes as they stand in the file.
// Numbers are plain decimals, dates are 2027-01-31, times of day are 09:30:00. See style for
// points in time.
type renderer func(dst, value []byte) []byte

// style is the notation of a column's points in time. An instant is in RFC 3339, in a time
// zone. A time without a zone is written without one. In a column of dates, midnight is
// written as a date.
type style struct {
	zone *time.Location
	days bool
}

const (
	clockTime = "15:04:05.999999999"
	localTime = "2006-01-02T15:04:05.999999999"
)

func (s style) moment(dst []byte, t time.Time, instant bool) []byte {
	layout := localTime
	if t = t.UTC(); instant {
		t, layout = t.In(s.zone), time.RFC3339Nano
	}
	if s.days && t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0 {
		layout = time.DateOnly
	}
	return t.AppendFormat(dst, layout)
}

// timestamp renders points in time, counted from 1970 in a unit.
func (s style) timestamp(unit time.Duration, instant bool) renderer {
	return func(dst, v []byte) []byte { return s.moment(dst, since1970(v, unit), instant) }
}

// clocked renders times in one layout, counted from 1970 or from midnight.
func clocked(unit time.Duration, layout string) renderer {
	return func(dst, v []byte) []byte { return since1970(v, unit).UTC().AppendFormat(dst, layout) }
}

func since1970(v []byte, unit time.Duration) time.Time {
	if n := signed(v); unit > time.Second {
		return time.Unix(n*int64(unit/time.Second), 0)
	} else {
		perSecond := int64(time.Second / unit)
		return time.Unix(n/perSecond, n%perSecond*int64(unit))
	}
}

// int96 renders nanoseconds of a Julian day. Spark writes instants so.
func (s style) int96(dst, v []byte) []byte {
	const epoch = 2440588
	return s.moment(dst, time.Unix((signed(v[8:12])-epoch)*86400, signed(v[:8])), true)
}

// unsigned reads a number, the lowest byte first.
func unsigned(v []byte) (n uint64) {
	for i, b := range v {
		n |= uint64(b) << (8 * i)
	}
	return n
}

func signed(v []byte) int64 {
	unused := 64 - 8*len(v)
	return int64(unsigned(v)<<unused) >> unused
}

func plainText(dst, v []byte) []byte    { return append(dst, v...) }
func wholeText(dst, v []byte) []byte    { return strconv.AppendInt(dst, signed(v), 10) }
func unsignedText(dst, v []byte) []byte { return strconv.AppendUint(dst, unsigned(v), 10) }
func booleanText(dst, v []byte) []byte  { return strconv.AppendBool(dst, v[0] != 0) }

func uuidText(dst, v []byte) []byte {
	return fmt.Appendf(dst, "%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:16])
}

// floatText writes nothing for NaN.
func floatText(dst, v []byte) []byte {
	n, size := math.Float64frombits(unsigned(v)), 64
	if len(v) == 4 {
		n, size = float64(math.Float32frombits(uint32(unsigned(v)))), 32
	}
	if math.IsNaN(n) {
		return dst
	}
	return strconv.AppendFloat(dst, n, 'f', -1, size)
}

// decimal renders whole numbers of any length, in two's complement, with scale digits behind
// the decimal point.
func decimal(scale int, lowestFirst bool) renderer {
	return func(dst, v []byte) []byte {
		if v = slices.Clone(v); lowestFirst {
			slices.Reverse(v)
		}
		n := new(big.Int).SetBytes(v)
		if len(v) > 0 && v[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v))))
			dst = append(dst, '-')
		}
		digits := n.Abs(n).Append(nil, 10)
		if lack := scale + 1 - len(digits); lack > 0 {
			digits = slices.Insert(digits, 0, slices.Repeat([]byte{'0'}, lack)...)
		}
		if scale > 0 {
			digits = slices.Insert(digits, len(digits)-scale, '.')
		}
		return append(append(dst, digits...), slices.Repeat([]byte{'0'}, max(0, -scale))...)
	}
}
