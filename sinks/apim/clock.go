package apim

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// Clock is how far this machine's clock is from the service's, as far as one answer
// tells: its Date header counts whole seconds, and the answer was on its way for a while.
type Clock struct {
	Ahead  time.Duration // of the service's; negative when it is behind
	Within time.Duration // the truth is no further from Ahead than this
}

// ReadClock reads the clock off an answer to a request of which the answer came between
// two times of this machine. It is nil when the answer has no date.
func ReadClock(h http.Header, asked, answered time.Time) *Clock {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return nil
	}
	// The answer was made between asked and answered here, and in the second from date on
	// there.
	least, most := asked.Sub(date)-time.Second, answered.Sub(date)
	return &Clock{Ahead: (least + most) / 2, Within: (most - least) / 2}
}

// How far the clocks may be apart before the service refuses an assertion.
const (
	mostAhead  = 5*time.Minute - assertionLife
	mostBehind = assertionLife
)

// Refused reports whether the service is certain to refuse what is signed by this clock.
func (c Clock) Refused() bool {
	return c.Ahead-c.Within > mostAhead || -c.Ahead-c.Within > mostBehind
}

// String says it in words, of "this machine's clock".
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

// Remark is what to know of a clock that is off and still taken; "" when there is
// nothing.
func (c Clock) Remark() string {
	if c.Ahead.Abs()-c.Within < 5*time.Second {
		return ""
	}
	return fmt.Sprintf("set it: the service takes up to %s ahead and %s behind", seconds(mostAhead), seconds(mostBehind))
}

func seconds(d time.Duration) string {
	if s := d.Seconds(); s < 10 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", math.Ceil(s*10)/10), ".0") + " s"
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
