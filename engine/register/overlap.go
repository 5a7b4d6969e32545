package register

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"cohort/engine/refusal"
)

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

// OfOtherCampaigns returns the runs of other campaigns to the same kind of sink, oldest first. They were at work after
// since, or may still have something to send. Runs at a simulator are left out.
func (r *Register) OfOtherCampaigns(campaign, kind string, since time.Time) (runs []Entry) {
	for _, e := range r.runs {
		r.raise(&e)
		if !r.inChain(&e) && e.Campaign != campaign && e.Kind == kind && !e.Simulator && (e.State == Begun || !e.At.Before(since)) {
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

// Overlaps is the comparison of a cohort with the runs of other campaigns.
type Overlaps struct {
	Campaign string         // of the cohort
	Days     int            // overlap_days of that campaign
	Zone     *time.Location // for dates in sentences
	Register *Register      // as it was read
	Looked   []string       // ids of the runs that were looked at
	Since    time.Time      // they were at work since then
	FollowUp bool           // the cohort is the people due of another run
	Begun    string         // the folder of the run that is compared, if it has begun
	Found    []Overlap
	Again    int64 // people who get the same words and values from any of these runs
	People   int64 // of the cohort, to send to
}

// mostAgain limits the people that may get the same message again without permission: fewer
// than this number, and less than one in mostAgain of the cohort.
const mostAgain = 100

// Repeated returns the runs that a send would repeat. A run with the same texts counts as
// repeated if the comparison failed.
func (o *Overlaps) Repeated() (repeated []Overlap) {
	tooMany := o.Again >= mostAgain || o.Again*mostAgain >= o.People
	for _, run := range o.Found {
		if tooMany && run.Same > 0 || run.Problem != "" && run.SameWords {
			repeated = append(repeated, run)
		}
	}
	return repeated
}

// refusal refuses a send that would repeat what other runs have sent; nil: there is none.
func (o *Overlaps) refusal() error {
	var runs, unread, campaigns []string
	for _, run := range o.Repeated() {
		if run.Problem != "" {
			unread = append(unread, o.Words(run))
			continue
		}
		runs, campaigns = append(runs, o.Words(run)), append(campaigns, run.Campaign)
	}
	campaigns = slices.Compact(slices.Sorted(slices.Values(campaigns)))
	again, people, unreadRuns := refusal.Thousands(o.Again), refusal.Thousands(o.People), strings.Join(unread, "; ")
	allRuns := strings.Join(append(runs, unread...), "; ")
	sendAgain := refusal.Command("resume", o.Begun, "--send-again")
	switch {
	case len(runs)+len(unread) > 0 && o.FollowUp:
		return refusal.New("same_words_followup", "again", again, "people", people, "runs", allRuns)
	case len(runs) > 0 && o.Begun != "":
		all := strings.Join(append([]string{o.Campaign}, campaigns...), ",")
		return refusal.New("same_words_rest", "again", again, "people", people, "runs", allRuns, "send", refusal.Command("send"), "campaigns", all, "command", sendAgain)
	case len(unread) > 0 && o.Begun != "":
		return refusal.New("same_words_rest_unknown", "runs", unreadRuns, "resume", refusal.Command("resume"), "command", sendAgain)
	case len(runs) > 0:
		return refusal.New("same_words", "again", again, "people", people, "days", o.Days, "runs", allRuns, "campaigns", strings.Join(campaigns, ","))
	case len(unread) > 0:
		return refusal.New("same_words_unknown", "runs", unreadRuns, "resume", refusal.Command("resume"))
	}
	return nil
}

// Words says in a sentence what a run has in common with the cohort.
func (o *Overlaps) Words(run Overlap) string {
	head := fmt.Sprintf("run %.8s of campaign %s, %s", run.RunID, run.Campaign, run.At.In(o.Zone).Format("2 January 2006"))
	others := "other words"
	if run.SameWords {
		others = "the same words with other values"
	}
	switch {
	case run.Problem != "" && run.SameWords:
		return head + ", begun on " + run.Host + ", has the same words and cannot be compared: " + run.Problem
	case run.Problem != "":
		return head + ", begun on " + run.Host + ", cannot be compared: " + run.Problem
	}
	sent := ", sent "
	if run.Open {
		sent = ", is not finished and sends "
	}
	switch same, unlike := refusal.Thousands(run.Same), refusal.Thousands(run.Reached-run.Same); {
	case run.Same == 0:
		return head + sent + unlike + " of these people " + others
	case run.Same == run.Reached:
		return head + sent + same + " of these people the same words with the same values"
	default:
		return head + sent + same + " of these people the same words with the same values, and " + unlike + " " + others
	}
}

// Print prints a line for each run. A nil Overlaps prints nothing.
func (o *Overlaps) Print(w io.Writer) {
	if o != nil {
		for _, run := range o.Found {
			fmt.Fprintf(w, "overlap   %s\n", o.Words(run))
		}
	}
}

func (o *Overlaps) MarshalJSON() ([]byte, error) { return json.Marshal(o.Found) }
