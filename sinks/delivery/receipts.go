package delivery

import (
	"iter"
	"log/slog"
	"math/bits"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/nhsapp"
)

// receipts are what the NHS App's receipts say of a run's messages: ten bytes a record, and
// the table.
type Receipts struct {
	table *rowTable
	log   *slog.Logger

	seen    []uint8  // a bit for each rank of which there is a receipt, by row - 1
	at      []uint32 // when the one of the highest rank happened, Unix seconds; 0: not known
	ids     []uint32 // of the communication's id, a hash
	reasons []uint8  // into words
	words   []string // why messages were rejected; the first is for none

	Read   int                // receipts of any campaign
	Unread int                // receipts that could not be read
	Twice  map[int64]struct{} // rows of messages that were taken twice
}

// mostWords bounds the memory for reasons, of which the service has few.
const mostWords = 250

func NewReceipts(plan *plan.Plan, log *slog.Logger) *Receipts {
	n := plan.Records
	return &Receipts{table: NewRowTable(plan.Run, n), log: log, seen: make([]uint8, n), at: make([]uint32, n), ids: make([]uint32, n), reasons: make([]uint8, n), words: []string{""}, Twice: map[int64]struct{}{}}
}

// add takes a receipt. One of another campaign's message is none.
func (r *Receipts) Add(x nhsapp.Receipt) {
	row, ours := r.table.Row(x.RequestID)
	if !ours {
		return
	}
	i, id := row-1, ShortHash(x.MessageID)
	if r.ids[i] != 0 && r.ids[i] != id { // what has reached the person is what either has reached
		if _, known := r.Twice[row]; !known && len(r.Twice) < 10 { // more would say no more
			r.log.Error("the service has taken a message twice", "message", x.RequestID)
		}
		r.Twice[row] = struct{}{}
	} else {
		r.ids[i] = id
	}
	rank := report.Rank(Snake(x.Code))
	if at := uint32(max(0, x.At.Unix())); rank > r.Rank(i) || rank == r.Rank(i) && at > r.at[i] {
		r.at[i] = at
	}
	r.seen[i] |= 1 << rank
	if words := plainWords(x.Reason); words != "" {
		r.reasons[i] = r.reason(words)
	}
}

// rank is the highest rank of a message's receipts; less than 0: there is none.
func (r *Receipts) Rank(i int64) int { return bits.Len8(r.seen[i]) - 1 }

func (r *Receipts) reason(words string) uint8 {
	for n, known := range r.words {
		if known == words {
			return uint8(n)
		}
	}
	if len(r.words) == mostWords {
		return 0
	}
	r.words = append(r.words, words)
	return uint8(len(r.words) - 1)
}

// facts yields what the receipts say of messages, as it was learnt at a moment.
func (r *Receipts) Facts(messages iter.Seq2[Message, error], learned time.Time) iter.Seq2[report.Fact, error] {
	return func(yield func(report.Fact, error) bool) {
		unlike := 0
		for m, err := range messages {
			if err != nil {
				yield(report.Fact{}, err)
				return
			}
			i := m.Row - 1
			if r.seen[i] == 0 {
				continue
			}
			_, twice := r.Twice[m.Row]
			if m.id != "" && ShortHash(m.id) != r.ids[i] && !twice || m.Fate != person.Accepted && m.Fate != person.InDoubt {
				unlike++
			}
			f := r.fact(m)
			f.Learned = learned
			if !yield(f, nil) {
				return
			}
		}
		if unlike > 0 {
			r.log.Error("the service has receipts of messages that the run's log has under another id, or as not sent", "messages", unlike)
		}
	}
}

func (r *Receipts) fact(m Message) report.Fact {
	i := m.Row - 1
	f := report.Fact{Row: m.Row, MessageID: m.id, Channel: "nhsapp", Status: report.Ranked(r.Rank(i)), Reason: r.words[r.reasons[i]], Origin: report.OfReceipt}
	if r.at[i] != 0 {
		f.At = time.Unix(int64(r.at[i]), 0).UTC()
	}
	var steps []string
	for rank := range 8 {
		switch {
		case r.seen[i]&(1<<rank) == 0:
		case rank == 0:
			steps = append(steps, "other")
		default:
			steps = append(steps, report.Ranked(rank))
		}
	}
	f.Steps = strings.Join(steps, ", ")
	return f
}

// shortHash is a hash that is not 0.
func ShortHash(id string) uint32 { return uint32(xxh3.HashString(id)) | 1 }

// snake writes a code such as NotificationAttempted in small letters.
func Snake(code string) string {
	var out []byte
	for i := range len(code) {
		c := code[i]
		if 'A' <= c && c <= 'Z' {
			if i > 0 {
				out = append(out, '_')
			}
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

// plainWords are the service's words for a failure; none when they are long, or hold so many
// digits that they may name somebody.
func plainWords(text string) string {
	text = refusal.OneLine(text)
	digits := 0
	for _, c := range text {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	if digits > 4 || len(text) > 200 {
		return ""
	}
	return text
}
