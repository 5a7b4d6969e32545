package csv

import (
	"strconv"
	"strings"

	"cohort/ingest/format"
)

// delimiters are tried when the campaign names none.
var delimiters = []byte{',', '\t', '|', ';'}

// sampled is the number of records that the detection looks at.
const sampled = 100

// delimiter detects the delimiter from the first records of a file. A header without any
// candidate has one column. Of several candidates the one wins that gives nearly every record
// the same number of values. When several do, the file is refused: nobody should guess.
func delimiter(start []byte, whole bool, said format.Format) (byte, error) {
	if said.Delimiter != "" {
		return said.Delimiter[0], nil
	}
	var fit []byte
	best := -1.0
	for _, d := range delimiters {
		columns, even := evenness(start, whole, d)
		switch {
		case columns < 2 || even < best:
		case even > best:
			fit, best = append(fit[:0], d), even
		default:
			fit = append(fit, d)
		}
	}
	switch len(fit) {
	case 0:
		return ',', nil
	case 1:
		return fit[0], nil
	}
	var names []string
	for _, d := range fit {
		names = append(names, strconv.Quote(string(rune(d))))
	}
	return 0, &format.FileError{
		Line:    1,
		Problem: "the values could be separated by " + strings.Join(names, " or by "),
		Fix:     "name the right one in the campaign as cohort.format.delimiter",
	}
}

// evenness counts the values of the first record under a delimiter. share is the share of the
// records behind it that have as many values; from 0.9 on it counts as 1.
func evenness(w []byte, whole bool, comma byte) (columns int, share float64) {
	s := newSplitter(comma, 0)
	records, same := 0, 0
	for records < sampled {
		n, what := s.next(w, whole)
		if what == cutBlank {
			w = w[n:]
			continue
		}
		if what != cutRecord {
			if what != cutMore && what != cutEnd && records == 0 {
				return 0, 0
			}
			break
		}
		if records == 0 {
			columns = s.values.Count
		} else if s.values.Count == columns {
			same++
		}
		records++
		w = w[n:]
	}
	if records < 2 {
		return columns, 1
	}
	share = float64(same) / float64(records-1)
	if share >= 0.9 {
		share = 1
	}
	return columns, share
}
