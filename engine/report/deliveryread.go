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

// DeliveryReader reads a delivery file from its first fact to its last. It is not safe for
// concurrent use.
type DeliveryReader struct {
	SweepBegan time.Time // as in Delivery

	path string
	file *os.File
	in   *parquet.GenericReader[deliveryRow]
	rows []deliveryRow // that were read and not handed out yet
	room [256]deliveryRow
}

// OpenDelivery opens the delivery file of a run. An error wraps fs.ErrNotExist when there is
// none. Close must be called.
func OpenDelivery(path string, run engine.RunID) (*DeliveryReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &DeliveryReader{path: path, file: file}
	if err := r.open(run); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *DeliveryReader) open(run engine.RunID) error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	f, err := parquet.OpenFile(r.file, info.Size())
	if err != nil {
		return err
	}
	if id, _ := f.Lookup("run_id"); id != run.String() {
		return errors.New("it is another run's")
	}
	if text, there := f.Lookup(sweepBegan); there {
		if r.SweepBegan, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return err
		}
	}
	r.in = parquet.NewGenericReader[deliveryRow](f)
	return nil
}

// Close lets go of the file.
func (r *DeliveryReader) Close() error { return errors.Join(r.in.Close(), r.file.Close()) }

// Next is the next fact; false when there is none any more.
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
	return row.fact(), true, nil
}

func (r *deliveryRow) fact() Fact {
	return Fact{
		Row: r.Row, MessageID: valueOf(r.MessageID), Status: valueOf(r.Status), Channel: valueOf(r.Channel), Steps: valueOf(r.Steps),
		Code: valueOf(r.FailureCode), Reason: valueOf(r.FailureReason), At: valueOf(r.HappenedAt), Origin: Origin(r.Source), Learned: valueOf(r.LearnedAt),
	}
}

// valueOf is the zero value for null.
func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
