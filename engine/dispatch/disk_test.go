package dispatch

import (
	"errors"
	"io/fs"
	"iter"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/ingest/person"
)

// failingSource is a spool on a disk that fails at the n-th reading.
type failingSource struct {
	*enginetest.People
	left atomic.Int64
	err  error
}

func (f *failingSource) Recipients(shard person.Lane, from, to uint32) iter.Seq2[person.Recipient, error] {
	if f.left.Add(-1) == 0 {
		return func(yield func(person.Recipient, error) bool) {
			yield(person.Recipient{}, &fs.PathError{Op: "read", Path: "spool/shard-000.arrow", Err: f.err})
		}
	}
	return f.People.Recipients(shard, from, to)
}

// A spool that cannot be read stops the run, whichever reading fails. It is no defect: the run
// goes on when the disk is well, and everybody is accepted once.
func TestASpoolThatCannotBeRead(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EROFS} {
		for n := int64(1); ; n++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				s := newService(uint64(n))
				s.faults = 0.1
				b := newBench(t, enginetest.NewPeople(40, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
				source := &failingSource{People: b.people, err: errno}
				source.left.Store(n)
				c := &connection{kind: engine.Deduplicates, service: s, took: time.Second}
				_, err := b.start(t.Context(), c, func(j *Job) { j.Source = source })
				if reached = source.left.Load() <= 0; reached {
					if stopped := (*Stopped)(nil); !errors.As(err, &stopped) || !errors.Is(err, errno) {
						t.Errorf("reading %d: %v", n, err)
					}
					var summary Summary
					summary, err = b.start(t.Context(), c, nil)
					b.finished(s, summary, err)
				}
			})
			if !reached || t.Failed() {
				if n < 5 {
					t.Errorf("only %d readings", n)
				}
				break
			}
		}
	}
}
