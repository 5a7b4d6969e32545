package ingest

import (
	"strconv"
	"strings"
)

// delimiters are those that are looked for when none is said.
var delimiters = []byte{',', '\t', '|', ';'}

// sampled is how many records are looked at to tell the delimiter.
const sampled = 100

// delimiter tells what separates the values of a file from its first records. A header
// without any of the four has one column. When several could be it, the one that keeps
// the number of values the same in nearly every record is; when that leaves several,
// nobody should guess.
func delimiter(start []byte, whole bool, said Format) (byte, *FileError) {
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
	return 0, &FileError{
		Line:    1,
		Problem: "the values could be separated by " + strings.Join(names, " or by "),
		Fix:     "say which under cohort.format.delimiter",
	}
}

// evenness counts the values in the first record under a delimiter, and how large a
// share of the records behind it has as many; a share close to all is as good as all.
func evenness(w []byte, whole bool, comma byte) (columns int, share float64) {
	s := splitter{comma: comma}
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
			columns = s.count
		} else if s.count == columns {
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
