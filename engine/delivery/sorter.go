package delivery

import (
	"encoding/binary"
	"fmt"
	"iter"
	"os"
	"path/filepath"
)

const (
	rowsAtOnce  = 1 << 14 // messages whose events are folded at once
	blockBytes  = 32 << 10
	sorterFiles = "events-*.tmp"
)

// Sorter makes the states of a cohort's messages from events in any order. Its memory does not
// grow with their number, but by 48 KiB for each 16,384 rows: it keeps the events in a temporary
// file. One goroutine at a time may use it.
type Sorter struct {
	New func(*Event) error // if not nil, All calls it with each event of AddNew that had not come before

	rows   int64
	file   *os.File // it has no name, so it cannot outlive the process
	size   int64
	ranges []rowRange
	buf    []byte
}

// rowRange has the events of neighbouring rows, in the order of their arrival: blocks of the
// file, and the block that is not full yet.
type rowRange struct {
	blocks []block
	last   []byte
}

type block struct{ from, to int64 }

// Sorted is the state of the message in a row of the cohort file.
type Sorted struct {
	Row   int64
	State State
}

// NewSorter makes a sorter for the rows 1 to rows. Its file is in dir, with mode 0600.
func NewSorter(dir string, rows int64) (*Sorter, error) {
	// A crash leaves a name only between the two calls below, and an empty file.
	left, _ := filepath.Glob(filepath.Join(dir, sorterFiles))
	for _, name := range left {
		_ = os.Remove(name)
	}
	file, err := os.CreateTemp(dir, sorterFiles)
	if err != nil {
		return nil, fmt.Errorf("no file to sort events in: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil && !os.IsNotExist(err) {
		_ = file.Close()
		return nil, fmt.Errorf("the file to sort events in keeps its name: %w", err)
	}
	return &Sorter{rows: rows, file: file, ranges: make([]rowRange, (rows+rowsAtOnce-1)/rowsAtOnce)}, nil
}

// Close removes what was added.
func (s *Sorter) Close() error { return s.file.Close() }

// Add adds an event about the message in a row.
func (s *Sorter) Add(row int64, e *Event) error { return s.add(row, e, 0) }

// AddNew adds an event that New is to be called with.
func (s *Sorter) AddNew(row int64, e *Event) error { return s.add(row, e, 1) }

func (s *Sorter) add(row int64, e *Event, isNew uint64) error {
	if row < 1 || row > s.rows {
		return fmt.Errorf("row %d is not one of %d; this is a defect of cohort", row, s.rows)
	}
	r := &s.ranges[(row-1)/rowsAtOnce]
	s.buf = Append(s.buf[:0], e)
	if r.last == nil {
		r.last = make([]byte, 0, blockBytes+blockBytes/4)
	}
	r.last = binary.AppendUvarint(r.last, uint64((row-1)%rowsAtOnce)<<1|isNew)
	r.last = binary.AppendUvarint(r.last, uint64(len(s.buf)))
	if r.last = append(r.last, s.buf...); len(r.last) < blockBytes {
		return nil
	}
	if _, err := s.file.WriteAt(r.last, s.size); err != nil {
		return fmt.Errorf("events cannot be sorted in %s: %w", filepath.Dir(s.file.Name()), err)
	}
	r.blocks = append(r.blocks, block{s.size, s.size + int64(len(r.last))})
	s.size += int64(len(r.last))
	r.last = r.last[:0]
	return nil
}

// All yields the states of all messages that have events, in the order of rows. It may be called again.
func (s *Sorter) All() iter.Seq2[Sorted, error] {
	return func(yield func(Sorted, error) bool) {
		folds := make([]Fold, min(rowsAtOnce, s.rows))
		for i := range s.ranges {
			if err := s.fold(&s.ranges[i], folds); err != nil {
				yield(Sorted{}, err)
				return
			}
			for j := range folds {
				if folds[j].state.Events == 0 {
					continue
				}
				if !yield(Sorted{int64(i)*rowsAtOnce + int64(j) + 1, folds[j].State()}, nil) {
					return
				}
				folds[j].Reset()
			}
		}
	}
}

// fold adds the events of a range to the folds of its rows.
func (s *Sorter) fold(r *rowRange, folds []Fold) error {
	for _, b := range r.blocks {
		s.buf = append(s.buf[:0], make([]byte, b.to-b.from)...)
		if _, err := s.file.ReadAt(s.buf, b.from); err != nil {
			return fmt.Errorf("events cannot be sorted in %s: %w", filepath.Dir(s.file.Name()), err)
		}
		if err := s.foldBlock(s.buf, folds); err != nil {
			return err
		}
	}
	return s.foldBlock(r.last, folds)
}

func (s *Sorter) foldBlock(b []byte, folds []Fold) error {
	for len(b) > 0 {
		row, n := binary.Uvarint(b)
		size, m := binary.Uvarint(b[n:])
		e, err := Parse(b[n+m : n+m+int(size)])
		if err != nil {
			return err
		}
		if folds[row>>1].Add(&e) && row&1 == 1 && s.New != nil {
			if err := s.New(&e); err != nil {
				return err
			}
		}
		b = b[n+m+int(size):]
	}
	return nil
}
