package delivery

import (
	"fmt"
	"iter"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// Message is a message of a run, as the run's log has it.
type Message struct {
	Row      int64
	Fate     person.Fate
	Accepted time.Time       // zero: not accepted, or not known when
	State    *delivery.State // from Run.Known; nil: nothing is known
	id       string          // the service's; empty: not known
	batch    string          // the reference of the batch that held it last; empty: none yet
}

// ID returns the service's id of the message. An event has it if the answer to the request was lost.
func (m *Message) ID() string {
	if m.id == "" && m.State != nil {
		return m.State.MessageID
	}
	return m.id
}

// isTwice reports whether the service has the message under two ids.
func (m *Message) isTwice() bool {
	return m.State != nil && (m.State.OtherID != "" || m.State.MessageID != "" && m.State.MessageID != m.ID())
}

// messagesAtOnce bounds the memory that puts messages into the order of their rows.
const messagesAtOnce = 1 << 16

// EachMessage yields the messages that the run in dir was to send, in the order of their rows.
func EachMessage(dir string, plan *plan.Plan, spool *shard.Spool) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		trail, _, err := runfolder.OpenTrail(dir, plan)
		if err != nil {
			yield(Message{}, runfolder.Unsound(dir, err))
			return
		}
		defer func() { _ = trail.Close() }()
		records, err := spool.Ranges()
		if err != nil {
			yield(Message{}, runfolder.Damaged(err))
			return
		}
		defer func() { _ = records.Close() }()
		var room [messagesAtOnce]Message
		verdicts := records.Verdicts()
		for first := int64(1); first <= plan.Records; first += messagesAtOnce {
			clear(room[:])
			err := records.Below(first+messagesAtOnce, func(s *person.Stretch) error {
				for i, row := range s.Rows {
					if int(s.Verdicts[i]) >= len(verdicts) || row < first {
						return fmt.Errorf("record %d is out of its place", row)
					}
					if verdicts[s.Verdicts[i]].Fate != "" {
						continue
					}
					told, id, err := trail.At(s.Lane(i), s.Position+uint32(i))
					if err != nil {
						return err
					}
					room[row-first] = Message{
						Row: row, Fate: told.Fate, Accepted: told.AcceptedAt, id: string(id),
						batch: told.BatchReference,
					}
				}
				return nil
			}, func(*person.Record) error { return nil })
			if err != nil {
				yield(Message{}, runfolder.Damaged(err))
				return
			}
			for i := range room {
				if room[i].Row > 0 && !yield(room[i], nil) {
					return
				}
			}
		}
	}
}
