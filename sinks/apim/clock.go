package apim

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// Clock compares this machine's clock with the service's, from the Date header of one answer.
type Clock struct {
	Ahead  time.Duration // of the service's clock; negative: behind
	Within time.Duration // the error of Ahead: Date has whole seconds, and the answer took time
}

// ReadClock compares the clocks. The request went out at asked and its answer came at
// answered, both by this machine's clock. It returns nil when the answer has no Date.
func ReadClock(h http.Header, asked, answered time.Time) *Clock {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return nil
	}
	// Here the answer was made between asked and answered, there in the second after date.
	least, most := asked.Sub(date)-time.Second, answered.Sub(date)
	return &Clock{Ahead: (least + most) / 2, Within: (most - least) / 2}
}

// The service refuses an assertion when the clocks differ by more.
const (
	mostAhead  = 5*time.Minute - assertionLife
	mostBehind = assertionLife
)

// Refused reports whether the service certainly refuses assertions made with this clock.
func (c Clock) Refused() bool {
	return c.Ahead-c.Within > mostAhead || -c.Ahead-c.Within > mostBehind
}

// String ends the sentence that begins with "this machine's clock:".
func (c Clock) String() string {
	if c.Ahead.Abs() <= c.Within {
		return fmt.Sprintf("it agrees with the service's, give or take %s", seconds(c.Within))
	}
	side := "ahead of"
	if c.Ahead < 0 {
		side = "behind"
	}
	return fmt.Sprintf("it is %s %s the service's, give or take %s", seconds(c.Ahead.Abs()), side, seconds(c.Within))
}

// Remark advises to set a clock that differs, although the service still accepts it. It is
// empty when the clocks agree.
func (c Clock) Remark() string {
	if c.Ahead.Abs()-c.Within < 5*time.Second {
		return ""
	}
	return fmt.Sprintf("set it: the service accepts up to %s ahead and %s behind", seconds(mostAhead), seconds(mostBehind))
}

func seconds(d time.Duration) string {
	if s := d.Seconds(); s < 10 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", math.Ceil(s*10)/10), ".0") + " s"
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
