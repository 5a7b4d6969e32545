package reconcile

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"cohort/cmd/internal/output"
	"cohort/cmd/internal/run"
	"cohort/engine/refusal"
	"cohort/sinks/delivery"
)

// tell writes the fallback list, if there is to be one, and prints the summary.
func tell(s *run.Runner, w io.Writer, d *delivery.Facts, sum *delivery.Summary, o *Options) error {
	if o.fallback != "" {
		rule := delivery.FallbackRule{App: s.Campaign.NHSApp != nil, Unread: o.unread, Now: time.Now()}
		var err error
		if sum.Fallback, err = fallback(d, o.fallback, rule); err != nil {
			return err
		}
	}
	return sum.Print(w, o.json)
}

// fallback lists the messages of people who are to be reached in another way, in the order of the
// cohort. The list names people by row and reference only.
func fallback(d *delivery.Facts, path string, rule delivery.FallbackRule) (*delivery.FallbackSummary, error) {
	sum := &delivery.FallbackSummary{File: path, Messages: map[string]int64{}}
	err := output.WriteTo(path, func(w io.Writer) error {
		out := csv.NewWriter(w)
		_ = out.Write(strings.Split(delivery.FallbackHeader, ",")) // out keeps the error
		for m, err := range d.Known() {
			if err != nil {
				return err
			}
			if reason := sum.Take(rule, &m); reason != "" {
				code := ""
				if m.Fact != nil {
					code = m.Fact.Code
				}
				_ = out.Write([]string{strconv.FormatInt(m.Row, 10), d.Plan.Run.MessageReference(m.Row).String(), reason, code})
			}
		}
		out.Flush()
		return out.Error()
	})
	if err != nil {
		return nil, refusal.New("fallback_unwritable", "cause", err)
	}
	return sum, nil
}
