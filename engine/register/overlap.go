package register

import "time"

// Look reads the registers in several folders as one, without holding or making them. Where
// there is none it is empty. Nothing can be recorded in it.
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

// OfOtherCampaigns returns the runs of other campaigns to the same kind of sink that were at work
// since a moment, or may still have something to send, oldest first. Runs at a simulator are not among them.
func (r *Register) OfOtherCampaigns(campaign, kind string, since time.Time) (runs []Entry) {
	for _, e := range r.runs {
		r.raise(&e)
		if e.Campaign != campaign && e.Kind == kind && !e.Simulator && (e.State == Begun || !e.At.Before(since)) {
			runs = append(runs, e)
		}
	}
	return runs
}

// Overlap is what another run has in common with a cohort that is to be sent.
type Overlap struct {
	Campaign  string    `json:"campaign"`
	RunID     string    `json:"run_id"`
	Host      string    `json:"host"`
	At        time.Time `json:"at"`                    // the run was last at work
	SameWords bool      `json:"same_words"`            // some of its words are the cohort's
	Reached   int64     `json:"reached"`               // people of the cohort to whom it sends a message
	Same      int64     `json:"same_words_and_values"` // of Reached
	Open      bool      `json:"not_finished"`          // it may still have to send some of these
	Problem   string    `json:"problem,omitempty"`     // why it could not be compared
}

// mostAgain is how many people may get the same again unless a person allows more: fewer than
// this, and less than one in mostAgain of the cohort.
const mostAgain = 100

// Repeated returns the runs that a send would repeat. again is how many people of the cohort
// get the same words and values from any of them. A run with the same words that could not be
// compared counts as repeated.
func Repeated(all []Overlap, again, people int64) (repeated []Overlap) {
	tooMany := again >= mostAgain || again*mostAgain >= people
	for _, o := range all {
		if tooMany && o.Same > 0 || o.Problem != "" && o.SameWords {
			repeated = append(repeated, o)
		}
	}
	return repeated
}
