package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parquet-go/parquet-go"

	"cohort/engine"
)

// DeliveryReader reads a delivery file from its first fact to its last. It is not safe for concurrent use.
type DeliveryReader struct {
	SweepBegan time.Time // as in Delivery

	path string
	file *os.File
	in   *parquet.GenericReader[deliveryRow]
	rows []deliveryRow // read, and not returned yet
	room [256]deliveryRow
}

// OpenDelivery opens the delivery file of a run. The error wraps fs.ErrNotExist if there is
// none. The caller must call Close.
func OpenDelivery(path string, run engine.RunID) (*DeliveryReader, error) {
	r := &DeliveryReader{path: path}
	err := openParquet(path, func(file *os.File, in *parquet.File) (err error) {
		if id, _ := in.Lookup("run_id"); id != run.String() {
			return errors.New("it belongs to another run")
		}
		if text, there := in.Lookup(sweepBegan); there {
			if r.SweepBegan, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return err
			}
		}
		r.file, r.in = file, parquet.NewGenericReader[deliveryRow](in)
		return nil
	})
	return r, err
}

func (r *DeliveryReader) Close() error { return errors.Join(r.in.Close(), r.file.Close()) }

// Next returns the next fact, or false after the last one.
func (r *DeliveryReader) Next() (f Fact, ok bool, err error) {
	if len(r.rows) == 0 {
		clear(r.room[:])
		n, err := r.in.Read(r.room[:])
		if err != nil && !errors.Is(err, io.EOF) {
			return Fact{}, false, fmt.Errorf("%s: %w", r.path, err)
		}
		if r.rows = r.room[:n]; n == 0 {
			return Fact{}, false, nil
		}
	}
	row := &r.rows[0]
	r.rows = r.rows[1:]
	return Fact{
		Row: row.Row, MessageID: valueOf(row.MessageID), Status: valueOf(row.Status), Channel: valueOf(row.Channel),
		Steps: valueOf(row.Steps), Code: valueOf(row.FailureCode), Reason: valueOf(row.FailureReason),
		At: valueOf(row.HappenedAt), Origin: Origin(row.Source), Learned: valueOf(row.LearnedAt),
	}, true, nil
}

// valueOf is the zero value for null.
func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
