package report

import (
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"cohort/engine"
	"cohort/engine/disk"
	"cohort/engine/plan"
)

// deliveryRow is one row of delivery.parquet: its schema, and the type for reading. Writing
// is by column: see row.
type deliveryRow struct {
	Row              int64      `parquet:"row,delta"`
	MessageReference string     `parquet:"message_reference"`
	MessageID        *string    `parquet:"message_id,optional"`
	Status           *string    `parquet:"status,optional,dict"`
	Channel          *string    `parquet:"channel,optional,dict"`
	Steps            *string    `parquet:"steps,optional,dict"`
	FailureCode      *string    `parquet:"failure_code,optional,dict"`
	FailureReason    *string    `parquet:"failure_reason,optional,dict"`
	HappenedAt       *time.Time `parquet:"happened_at,optional,timestamp(millisecond),dict"`
	Source           string     `parquet:"source,dict"`
	LearnedAt        *time.Time `parquet:"learned_at,optional,timestamp(millisecond),dict"`
}

// The columns of a delivery file, in the order of deliveryRow.
const (
	deliveryRowNumber = iota
	deliveryReference
	deliveryMessageID
	deliveryStatus
	deliveryChannel
	deliverySteps
	deliveryCode
	deliveryReason
	deliveryHappened
	deliverySource
	deliveryLearned
)

// deliveryValues makes the value of a column of a fact.
var deliveryValues = [...]func(f *Fact, reference []byte) parquet.Value{
	deliveryRowNumber: func(f *Fact, _ []byte) parquet.Value { return parquet.Int64Value(f.Row) },
	deliveryReference: func(_ *Fact, reference []byte) parquet.Value {
		return parquet.ByteArrayValue(reference).Level(0, 0, deliveryReference)
	},
	deliveryMessageID: func(f *Fact, _ []byte) parquet.Value { return optionalText([]byte(f.MessageID), deliveryMessageID) },
	deliveryStatus:    func(f *Fact, _ []byte) parquet.Value { return optionalText([]byte(f.Status), deliveryStatus) },
	deliveryChannel:   func(f *Fact, _ []byte) parquet.Value { return optionalText([]byte(f.Channel), deliveryChannel) },
	deliverySteps:     func(f *Fact, _ []byte) parquet.Value { return optionalText([]byte(f.Steps), deliverySteps) },
	deliveryCode:      func(f *Fact, _ []byte) parquet.Value { return optionalText([]byte(f.Code), deliveryCode) },
	deliveryReason:    func(f *Fact, _ []byte) parquet.Value { return optionalText([]byte(f.Reason), deliveryReason) },
	deliveryHappened:  func(f *Fact, _ []byte) parquet.Value { return optionalTime(f.At, deliveryHappened) },
	deliverySource: func(f *Fact, _ []byte) parquet.Value {
		return parquet.ByteArrayValue([]byte(f.Origin)).Level(0, 0, deliverySource)
	},
	deliveryLearned: func(f *Fact, _ []byte) parquet.Value { return optionalTime(f.Learned, deliveryLearned) },
}

// Delivery is the head of a delivery file.
type Delivery struct {
	Plan       *plan.Plan
	Version    string    // of the program
	SweepBegan time.Time // when a status poll began that has not finished; zero: there is none
}

const sweepBegan = "sweep_began" // in the metadata

// WriteDelivery writes facts to path, durably and as a whole, and counts them by status. The
// facts must be in the order of their rows. Memory does not grow with their number.
func WriteDelivery(path string, d Delivery, facts iter.Seq2[Fact, error]) (counts map[string]int64, err error) {
	err = disk.WriteFile(path, func(w io.Writer) error {
		counts, err = d.write(w, facts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("delivery facts: %w", err)
	}
	return counts, nil
}

func (d Delivery) write(w io.Writer, facts iter.Seq2[Fact, error]) (map[string]int64, error) {
	out, err := newWriter[deliveryRow](w, d.Version)
	if err != nil {
		return nil, err
	}
	group, counts, last, total := make([]Fact, 0, rowsInGroup), map[string]int64{}, int64(0), int64(0)
	rows := out.BeginRowGroup()
	for f, err := range facts {
		if err != nil {
			return nil, err
		}
		if f.Row <= last {
			return nil, fmt.Errorf("row %d comes after row %d; this is a defect of cohort", f.Row, last)
		}
		last = f.Row
		counts[f.Status]++
		total++
		if group = append(group, f); len(group) == rowsInGroup {
			if err := d.writeGroup(rows, group); err != nil {
				return nil, err
			}
			group = group[:0]
		}
	}
	if err := d.writeGroup(rows, group); err != nil {
		return nil, err
	}
	for key, value := range map[string]string{
		"campaign": d.Plan.Campaign, "run_id": d.Plan.RunID, "service": d.Plan.Service, "version": d.Version, "messages": strconv.FormatInt(total, 10),
	} {
		out.SetKeyValueMetadata(key, value)
	}
	if !d.SweepBegan.IsZero() {
		out.SetKeyValueMetadata(sweepBegan, d.SweepBegan.UTC().Format(time.RFC3339Nano))
	}
	return counts, out.Close()
}

// writeGroup writes a row group, unless it is empty.
func (d Delivery) writeGroup(rows *parquet.ConcurrentRowGroupWriter, group []Fact) error {
	if len(group) == 0 {
		return nil
	}
	var made [chunk]parquet.Value
	var references [chunk]engine.Reference
	for column, out := range rows.ColumnWriters() {
		for from := 0; from < len(group); from += chunk {
			n := min(chunk, len(group)-from)
			for i := range n {
				f := &group[from+i]
				if column == deliveryReference {
					references[i] = d.Plan.References.Message(f.Row)
				}
				made[i] = deliveryValues[column](f, references[i][:])
			}
			if _, err := out.WriteRowValues(made[:n]); err != nil { // it copies them
				return err
			}
		}
	}
	if err := rows.Flush(); err != nil {
		return err
	}
	_, err := rows.Commit()
	return err
}
