package intake

import (
	"fmt"
	"strings"
)

// Counts is what a part has found in a file, by the names below.
type Counts map[string]int64

// What can be counted.
const (
	countLines      = "lines"      // line ends
	countBytes      = "bytes"      // of the text, unpacked
	countRecords    = "records"    // header left out
	countValid      = "valid"      // records with a valid NHS number
	countPeople     = "people"     // distinct valid NHS numbers
	countSuppressed = "suppressed" // people who are on the list
)

// against holds what a part has counted against the truth: every count that is asked for
// must be there and right.
func (c Counts) against(truth Counts, asked []string) error {
	var wrong []string
	for _, name := range asked {
		if got, counted := c[name]; !counted {
			wrong = append(wrong, name+" were not counted")
		} else if got != truth[name] {
			wrong = append(wrong, fmt.Sprintf("%d %s instead of %d", got, name, truth[name]))
		}
	}
	if len(wrong) > 0 {
		return &Miscount{wrong}
	}
	return nil
}

// Miscount says that a part has found something else in a file than there is.
type Miscount struct{ Wrong []string }

func (m *Miscount) Error() string {
	return "it has miscounted (" + strings.Join(m.Wrong, ", ") + "), so that its rate would mean nothing; correct the reader"
}
