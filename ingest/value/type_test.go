package value

import (
	"slices"
	"strings"
	"testing"
)

func TestTypes(t *testing.T) {
	for _, test := range []struct {
		of       Type
		yes, not string // separated by /
	}{
		{Date, "2027-01-31,20270131,31/01/2027,2028-02-29", "2027-02-29,2027-13-01,2027-1-31,31-01-2027,2027/01/31,2027-01-31T00:00:00,0000-01-01,20271301,tomorrow,99999999"},
		{Time, "09:30,0930,23:59:59,00:00", "24:00,9:30,09:60,2460,09.30,09:30:60,093"},
		{Postcode, "ZZ1 1ZZ,ZZ11ZZ,zz99 9zz,Z1 1ZZ,Z1A 1ZZ,ZZ1A 1ZZ,GIR 0AA,ZZ1  1ZZ,ZZ1\u00a01ZZ, ZZ 1 1Z\tZ\u200b", "ZZ1-1ZZ,ZZ1 1ZZé,ZZ\xff11ZZ,ZZ1 1ZZ ZZ,ZZZ1 1ZZ,1Z 1ZZ,ZZ1 ZZZ,ZZ1,ZZ123 1ZZ,GIR 0AB"},
		{UKMobile, "07700900123,07700 900 123,+447700900123,+44 (0)7700 900123,00447700900123,447700-900123", "0770090012,077009001234,01632960123,+33770090012,7700900123,07700x00123,+,0044"},
	} {
		for _, text := range strings.Split(test.yes, ",") {
			if !types[test.of].holds([]byte(text)) {
				t.Errorf("%q is not %s", text, test.of)
			}
		}
		for _, text := range strings.Split(test.not, ",") {
			if types[test.of].holds([]byte(text)) {
				t.Errorf("%q is %s", text, test.of)
			}
		}
	}
}

func TestOrder(t *testing.T) {
	for sentence, test := range map[string]struct {
		values string
		want   []int64 // -1 for what cannot be read
	}{
		"whole numbers stand for themselves":   {"7,-3,0,12345678901,9x,", []int64{7, -3, 0, 12345678901, -1, -1}},
		"a number beyond all bounds is none":   {"1,99999999999999999999", []int64{1, -1}},
		"days, in both forms":                  {"1970-01-02,19700103", []int64{86400000, 2 * 86400000}},
		"a day and its times":                  {"19700101-000001,19700101,1970-01-01T00:00:02,1970-01-01 00:00:03.5,1970-01-01T01:00:00+01:00,1970-01-01T00:01Z", []int64{1000, 0, 2000, 3500, 0, 60000}},
		"no number behind a date":              {"1970-01-01,5", []int64{0, -1}},
		"no date behind a number":              {"5,1970-01-01,19700102", []int64{5, -1, 19700102}},
		"what is neither does not settle it":   {"x,5", []int64{-1, 5}},
		"a time of day that there is not":      {"19700101-240000", []int64{-1}},
		"eight digits that are no day are one": {"99999999", []int64{99999999}},
	} {
		var o Order
		var got []int64
		for _, v := range strings.Split(test.values, ",") {
			n, ok := o.Read([]byte(v))
			if !ok {
				n = -1
			}
			got = append(got, n)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %d, want %d", sentence, got, test.want)
		}
	}
}
