package register

import "time"

// Look reads the registers in several folders as one, without locking or creating them. A
// missing register is empty. Nothing can be recorded in the result.
func Look(dirs ...string) (*Register, error) {
	r := &Register{}
	for _, dir := range dirs {
		one := &Register{dir: dir}
		if err := one.read(); err != nil {
			return nil, err
		}
		r.join(one)
	}
	return r, nil
}

// OfOtherCampaigns returns the runs of other campaigns to the same kind of sink, oldest first.
// They were at work after since, or may still have something to send. Runs at a simulator are
// left out.
func (r *Register) OfOtherCampaigns(campaign, kind string, since time.Time) (runs []Entry) {
	for _, e := range r.runs {
		r.raise(&e)
		if e.Campaign != campaign && e.Kind == kind && !e.Simulator && (e.State == Begun || !e.At.Before(since)) {
			runs = append(runs, e)
		}
	}
	return runs
}

// Overlap compares another run with a cohort that is to be sent.
type Overlap struct {
	Campaign  string    `json:"campaign"`
	RunID     string    `json:"run_id"`
	Host      string    `json:"host"`
	At        time.Time `json:"at"`                    // when the run was last at work
	SameWords bool      `json:"same_words"`            // some of its texts are also those of the cohort
	Reached   int64     `json:"reached"`               // people of the cohort that it also sends to
	Same      int64     `json:"same_words_and_values"` // those of Reached with the same text and values
	Open      bool      `json:"not_finished"`          // it may still send to some of them
	Problem   string    `json:"problem,omitempty"`     // why the comparison failed
}

// mostAgain limits the people that may get the same message again without permission: fewer
// than this number, and less than one in mostAgain of the cohort.
const mostAgain = 100

// Repeated returns the runs that a send would repeat. again counts the people of the cohort
// that get the same texts and values from any of them. A run with the same texts counts as
// repeated if the comparison failed.
func Repeated(all []Overlap, again, people int64) (repeated []Overlap) {
	tooMany := again >= mostAgain || again*mostAgain >= people
	for _, o := range all {
		if tooMany && o.Same > 0 || o.Problem != "" && o.SameWords {
			repeated = append(repeated, o)
		}
	}
	return repeated
}
