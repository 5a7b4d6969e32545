package delivery

import (
	"errors"
	"iter"
	"math"
	"strings"
	"testing"

	"cohort/ingest/person"
)

// Each accepted message with an id is drawn with the same probability, and so is the first of those drawn.
func TestASampleIsDrawnAtRandom(t *testing.T) {
	const messages, drawn, times = 12, 4, 30_000
	var all []Message
	for row := int64(1); row <= messages; row++ {
		all = append(all, Message{Row: row, Fate: person.Accepted, id: idOf(row)})
	}
	all = append(all, Message{Row: messages + 1, Fate: person.Accepted}, Message{Row: messages + 2, Fate: person.Refused, id: "x"})
	var in, first [messages + 3]float64
	for range times {
		questions, s, err := Draw(messagesOf(all...), drawn)
		if err != nil || len(questions) != drawn || s.Of != messages || s.Drawn != drawn {
			t.Fatalf("%v: %d questions, %+v", err, len(questions), s)
		}
		first[questions[0].row]++
		for _, q := range questions {
			in[q.row]++
		}
	}
	for row := 1; row <= messages; row++ { // seven standard deviations
		for name, c := range map[string]struct{ got, p float64 }{
			"drawn": {in[row], float64(drawn) / messages}, "first": {first[row], 1. / messages},
		} {
			if off := math.Abs(c.got - times*c.p); off > 7*math.Sqrt(times*c.p*(1-c.p)) {
				t.Errorf("row %d is %s %.0f times, want about %.0f", row, name, c.got, times*c.p)
			}
		}
	}
	if questions, s, err := Draw(messagesOf(all...), 100); err != nil || len(questions) != messages || s.Drawn != messages {
		t.Errorf("more than there are: %d, %+v, %v", len(questions), s, err)
	}
	broken := errors.New("broken")
	if _, _, err := Draw(func(yield func(Message, error) bool) { yield(Message{}, broken) }, 1); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
}

// The ranges are those of published tables (Newcombe 1998).
func TestSharesHaveARange(t *testing.T) {
	for _, row := range []struct {
		n, total  int64
		low, high float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}, {29, 29, 0.8830, 1}} {
		low, high := wilson(row.n, row.total)
		if math.Abs(low-row.low) > 5e-5 || math.Abs(high-row.high) > 5e-5 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", row.n, row.total, low, high, row.low, row.high)
		}
	}
	s := &Sample{Of: 9950, Drawn: 264}
	s.Count(map[string]int64{"failed": 81, "delivered": 182})
	var out strings.Builder
	s.print(&out)
	if len(s.Shares) != 2 || s.Shares[0].Status != "delivered" || !strings.Contains(out.String(), "264 messages, drawn at random from 9950 accepted ones") ||
		!strings.Contains(out.String(), "failed                         81   30.8 % (of all messages: 25.5 % to 36.6 %)\n") {
		t.Errorf("%+v\n%s", s, out.String())
	}
}

func messagesOf(list ...Message) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	}
}
