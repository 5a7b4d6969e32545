package pacing

import (
	"fmt"
	"slices"
	"strings"
)

// The senders.
const (
	cohortSender = "cohort"
	rateSender   = "rate"
	vegetaSender = "vegeta"
)

// Senders are their names, in their order.
func Senders() []string { return []string{cohortSender, rateSender, vegetaSender} }

// cell is one sender at one rate.
type cell struct {
	sender string
	rate   float64 // messages a second
	batch  int     // messages a request
}

// asked are the rates, of messages a second, and how they are packed: the national one, one
// that a large service takes, and one that is ten times as high. A batch of 100 is more
// than the national rate has in a second, so it goes there one by one.
var asked = []struct {
	rate  float64
	batch int
}{{59.03, 1}, {5000, 1}, {50_000, 1}, {5000, 100}, {50_000, 100}}

// cells are those of some senders, side by side at each rate.
func cells(senders []string) (all []cell) {
	for _, a := range asked {
		for _, s := range senders {
			all = append(all, cell{s, a.rate, a.batch})
		}
	}
	return all
}

// chosen are the senders of some names, in their order; all of no names. The gate of
// cohort is always among them.
func chosen(names []string) ([]string, error) {
	for _, name := range names {
		if !slices.Contains(Senders(), name) {
			return nil, fmt.Errorf("there is nothing called %s; there are: %s", name, strings.Join(Senders(), ", "))
		}
	}
	if len(names) == 0 {
		return Senders(), nil
	}
	return slices.DeleteFunc(Senders(), func(s string) bool { return s != cohortSender && !slices.Contains(names, s) }), nil
}

func (c cell) words() string {
	switch {
	case c.sender == cohortSender:
		return "cohort's gate"
	case c.sender == vegetaSender:
		return "vegeta's pacer"
	case c.batch == 1:
		return "x/time/rate, Wait, burst 1"
	}
	return fmt.Sprintf("x/time/rate, WaitN(%d)", c.batch)
}

func (c cell) request() string { return fmt.Sprintf("%d a request", c.batch) }

func (c cell) String() string {
	return fmt.Sprintf("%s, %g a second, %s", c.words(), c.rate, c.request())
}
