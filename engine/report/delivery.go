package report

import (
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"cohort/engine/disk"
	"cohort/engine/plan"
)

// deliveryRow is one row of delivery.parquet: its schema, and the type for reading.
type deliveryRow struct {
	Row              int64      `parquet:"row"`
	MessageReference string     `parquet:"message_reference"`
	MessageID        *string    `parquet:"message_id,optional"`
	Status           *string    `parquet:"status,optional"`
	Channel          *string    `parquet:"channel,optional"`
	Steps            *string    `parquet:"steps,optional"`
	FailureCode      *string    `parquet:"failure_code,optional"`
	FailureReason    *string    `parquet:"failure_reason,optional"`
	HappenedAt       *time.Time `parquet:"happened_at,optional,timestamp(millisecond)"`
	Source           string     `parquet:"source"`
	LearnedAt        *time.Time `parquet:"learned_at,optional,timestamp(millisecond)"`
}

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
		err = fmt.Errorf("delivery facts: %w", err)
	}
	return counts, err
}

func (d Delivery) write(w io.Writer, facts iter.Seq2[Fact, error]) (map[string]int64, error) {
	out, err := newParquetFile[deliveryRow](w, d.Version)
	if err != nil {
		return nil, err
	}
	e := newEncoder(out)
	group, counts, last := make([]Fact, 0, rowsInGroup), map[string]int64{}, int64(0)
	for f, err := range facts {
		if err != nil {
			return nil, err
		}
		if f.Row <= last {
			return nil, fmt.Errorf("row %d comes after row %d; this is a defect of cohort", f.Row, last)
		}
		last = f.Row
		counts[f.Status]++
		if group = append(group, f); len(group) == rowsInGroup {
			if err := d.writeGroup(out, e, group); err != nil {
				return nil, err
			}
			group = group[:0]
		}
	}
	if err := d.writeGroup(out, e, group); err != nil {
		return nil, err
	}
	metadata := map[string]string{
		"campaign": d.Plan.Campaign, "run_id": d.Plan.RunID, "service": d.Plan.Service, "version": d.Version,
		"messages": strconv.FormatInt(out.NumRows, 10),
	}
	if !d.SweepBegan.IsZero() {
		metadata[sweepBegan] = d.SweepBegan.UTC().Format(time.RFC3339Nano)
	}
	return counts, out.close(metadata)
}

// writeGroup writes a row group, unless it is empty. The columns are those of deliveryRow. An empty value is null.
func (d Delivery) writeGroup(out *parquetFile, e *encoder, group []Fact) error {
	if len(group) == 0 {
		return nil
	}
	rows, each := make([]int64, len(group)), make([]uint16, len(group))
	for i := range group {
		rows[i], each[i] = group[i].Row, uint16(i)
	}
	text := func(of func(*Fact) string) {
		e.shared(each, len(each), func(dst []byte, i int) []byte { return append(dst, of(&group[i])...) })
	}
	e.begin(len(group))
	e.integers(rows)
	e.own(func(dst []byte, i int) []byte {
		reference := d.Plan.References.Message(rows[i])
		return append(dst, reference[:]...)
	})
	e.own(func(dst []byte, i int) []byte { return append(dst, group[i].MessageID...) })
	text(func(f *Fact) string { return f.Status })
	text(func(f *Fact) string { return f.Channel })
	text(func(f *Fact) string { return f.Steps })
	text(func(f *Fact) string { return f.Code })
	text(func(f *Fact) string { return f.Reason })
	e.shared(each, len(each), func(dst []byte, i int) []byte { return appendTime(dst, group[i].At) })
	text(func(f *Fact) string { return string(f.Origin) })
	e.shared(each, len(each), func(dst []byte, i int) []byte { return appendTime(dst, group[i].Learned) })
	chunks, err := e.end()
	if err != nil {
		return err
	}
	return out.append(chunks)
}
