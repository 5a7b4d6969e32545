package delivery

import (
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"

	"cohort/ingest/person"
)

// Sample has the statuses of accepted messages that were drawn at random.
type Sample struct {
	Of     int64   `json:"of"`     // messages that it was drawn from
	Drawn  int64   `json:"drawn"`  // each with the same probability
	Shares []Share `json:"shares"` // of those with an answer
}

// Share is the share of the messages with one status. With a probability of 95 %, the share of all
// messages is between Low and High.
type Share struct {
	Status   string  `json:"status"`
	Messages int64   `json:"messages"`
	Share    float64 `json:"share"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Draw draws n of the accepted messages with a known id, or all if there are fewer.
func Draw(messages iter.Seq2[Message, error], n int) (drawn []Question, s *Sample, err error) {
	s = &Sample{}
	for m, err := range messages {
		if err != nil {
			return nil, nil, err
		}
		if m.Fate != person.Accepted || m.ID() == "" {
			continue
		}
		s.Of++
		q := Question{m.Row, m.ID()}
		if len(drawn) < n {
			drawn = append(drawn, q)
		} else if i := rand.Int64N(s.Of); i < int64(n) {
			drawn[i] = q
		}
	}
	// A poll that is stopped has asked about the first ones, which must be drawn at random too.
	rand.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	s.Drawn = int64(len(drawn))
	return drawn, s, nil
}

// Count computes the shares from the number of messages by status.
func (s *Sample) Count(statuses map[string]int64) {
	total := int64(0)
	for _, n := range statuses {
		total += n
	}
	for _, status := range mostFirst(statuses) {
		n := statuses[status]
		low, high := wilson(n, total)
		s.Shares = append(s.Shares, Share{status, n, float64(n) / float64(total), low, high})
	}
}

// wilson returns the 95 % score interval of Wilson (1927) for a share of n in total.
func wilson(n, total int64) (low, high float64) {
	const z = 1.959964
	of := float64(total)
	share := float64(n) / of
	middle, half := share+z*z/(2*of), z*math.Sqrt(share*(1-share)/of+z*z/(4*of*of))
	return max(0, middle-half) / (1 + z*z/of), min(1+z*z/of, middle+half) / (1 + z*z/of)
}

func (s *Sample) print(w io.Writer) {
	fmt.Fprintf(w, "\nwhat became of %d messages, drawn at random from %d accepted ones that can be asked about\n",
		s.Drawn, s.Of)
	for _, each := range s.Shares {
		fmt.Fprintf(w, "    %-22s %10d  %5.1f %% (of all messages: %.1f %% to %.1f %%)\n",
			each.Status, each.Messages, 100*each.Share, 100*each.Low, 100*each.High)
	}
	fmt.Fprintln(w, "such a range is right in 95 of 100 samples")
}
