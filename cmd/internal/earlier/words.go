package earlier

import (
	"hash/maphash"
	"slices"

	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/sinks"
)

// words are what the people of a campaign get to read: by the fingerprint of the template of
// each route, the columns that it uses.
type Words struct {
	templates []string // by route
	columns   map[string][]string
	seed      maphash.Seed
}

// campaignWords takes the campaign as it is when its cohort is open.
func campaignWords(c *campaign.Campaign) (*Words, error) {
	w := &Words{columns: map[string][]string{}, seed: maphash.MakeSeed()}
	for _, way := range c.ByRoute() {
		read := *way
		read.Notify.BillingReference = "" // nobody reads it, see wayVersion
		read.Routes, read.Reach = nil, nil
		columns, err := sinks.FieldsOf(&read)
		if err != nil {
			return nil, err
		}
		w.templates = append(w.templates, WayVersion(way))
		w.columns[WayVersion(way)] = append([]string{}, columns...) // not nil
	}
	return w, nil
}

// templatesOf are the fingerprints of a plan's templates, by route.
func TemplatesOf(plan *plan.Plan) (all []string) {
	for _, route := range plan.Routes {
		all = append(all, route.Template)
	}
	if len(all) == 0 {
		all = []string{plan.Template}
	}
	return all
}

// share reports whether any of the words have one of these templates.
func (w *Words) share(templates []string) bool {
	return slices.ContainsFunc(templates, func(t string) bool { return w.columns[t] != nil })
}

// messages makes the digest of each message of a cohort with these templates by route, and
// with these columns: of its words, and of the values that they use. It is 0 for words that
// are not w's. A digest has 63 bits and means nothing outside this process.
func (w *Words) messages(templates, columns []string) func(route uint8, values []string) uint64 {
	used := make([][]int, len(templates))
	for route, t := range templates {
		for _, name := range w.columns[t] {
			used[route] = append(used[route], slices.Index(columns, name))
		}
	}
	return func(route uint8, values []string) uint64 {
		if w.columns[templates[route]] == nil {
			return 0
		}
		var h maphash.Hash
		h.SetSeed(w.seed)
		_, _ = h.WriteString(templates[route])
		for _, i := range used[route] {
			_ = h.WriteByte(0xFF) // in no text, which is UTF-8
			_, _ = h.WriteString(values[i])
		}
		return h.Sum64() | 1
	}
}
