package delivery

import (
	"cmp"
	"iter"
	"log/slog"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/nhsapp"
)

// Receipts collects what the NHS App's receipts say of a run's messages. It takes ten bytes a
// record beside rows. Slices are indexed by row - 1.
type Receipts struct {
	rows *facts.Rows
	log  *slog.Logger

	seen    []uint8  // a bit for each rank that has a receipt
	at      []uint32 // time of the receipt with the highest rank, Unix seconds; 0: not known
	ids     []uint32 // hashes of the communications' ids
	reasons []uint8  // indexes of words
	words   []string // reasons for a rejection; the first is empty

	Read   int                // receipts of any campaign
	Unread int                // receipts that could not be read
	Twice  map[int64]struct{} // rows of messages that were taken twice
}

// mostWords bounds the memory for reasons. The service has few.
const mostWords = 250

// NewReceipts makes an empty collection for the messages of a plan.
func NewReceipts(plan *plan.Plan, log *slog.Logger) *Receipts {
	n := plan.Records
	return &Receipts{
		rows: facts.NewRows(plan.References, n), log: log, seen: make([]uint8, n), at: make([]uint32, n), ids: make([]uint32, n),
		reasons: make([]uint8, n), words: []string{""}, Twice: map[int64]struct{}{},
	}
}

// Add takes a receipt. It ignores one of another campaign's message.
func (r *Receipts) Add(x nhsapp.Receipt) {
	row, ours := r.rows.Of(x.RequestID)
	if !ours {
		return
	}
	i, id := row-1, ShortHash(x.MessageID)
	if r.ids[i] != 0 && r.ids[i] != id { // the person got what either message delivered
		if _, known := r.Twice[row]; !known && len(r.Twice) < 10 { // ten are enough for the log
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

// Rank returns the highest rank of the receipts for row i+1; less than 0: there is no receipt.
func (r *Receipts) Rank(i int64) int { return bits.Len8(r.seen[i]) - 1 }

// reason returns the index of words. It is 0 when there are too many.
func (r *Receipts) reason(words string) uint8 {
	n := slices.Index(r.words, words)
	if n < 0 && len(r.words) < mostWords {
		n, r.words = len(r.words), append(r.words, words)
	}
	return uint8(max(n, 0))
}

// Facts yields the facts of messages that have receipts. learned is the time of the facts.
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
		if r.seen[i]&(1<<rank) != 0 {
			steps = append(steps, cmp.Or(report.Ranked(rank), "other"))
		}
	}
	f.Steps = strings.Join(steps, ", ")
	return f
}

// ShortHash is a hash that is not 0.
func ShortHash(id string) uint32 { return uint32(xxh3.HashString(id)) | 1 }

// DayOf is the day of a time as the service's receipts count days.
func DayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Snake writes a code such as NotificationAttempted as notification_attempted.
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

// plainWords returns the service's words for a failure. It returns none when they are long, or
// have so many digits that they may identify a person.
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
