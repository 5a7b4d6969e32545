package delivery

import (
	"iter"
	"time"

	"cohort/ingest/person"
)

// questions yields the messages that were accepted and have not come to their end, as far as
// is known, but for those of which the sweep that began at a moment has heard. It counts those
// that nobody can ask for.
func (d *Facts) Questions(sweepBegan time.Time, withoutID *int64) iter.Seq2[Question, error] {
	return func(yield func(Question, error) bool) {
		*withoutID = 0
		for m, err := range d.Known() {
			if err != nil {
				yield(Question{}, err)
				return
			}
			over := m.Fact != nil && (m.Fact.Final() || !m.Fact.Learned.Before(sweepBegan))
			switch {
			case m.Fate != person.Accepted || over:
			case m.id == "":
				*withoutID++
			case !yield(Question{m.Row, m.id}, nil):
				return
			}
		}
	}
}

// sweepBegan is when the sweep began that is to be gone on with; else now.
func (d *Facts) SweepBegan() (began time.Time, again bool, err error) {
	r, err := d.open()
	if err != nil {
		return began, false, err
	}
	if r != nil {
		defer func() { _ = r.Close() }()
		if !r.SweepBegan.IsZero() {
			return r.SweepBegan, true, nil
		}
	}
	return time.Now().Truncate(time.Millisecond), false, nil
}
