package earlier

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"slices"

	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/sinks"
)

// words are the message texts of a campaign. For each template's fingerprint they list the
// columns that the template uses.
type words struct {
	templates []string // by route
	columns   map[string][]string
	seed      maphash.Seed
}

// campaignWords reads the texts of a campaign. Its cohort must be open, because upload files bring texts.
func campaignWords(c *campaign.Campaign) (*words, error) {
	w := &words{columns: map[string][]string{}, seed: maphash.MakeSeed()}
	for _, way := range c.ByRoute() {
		read := *way
		read.Notify.BillingReference = "" // nobody reads it, see WayVersion
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

// TemplatesOf returns the fingerprints of a plan's templates, by route.
func TemplatesOf(plan *plan.Plan) (all []string) {
	for _, route := range plan.Routes {
		all = append(all, route.Template)
	}
	if len(all) == 0 {
		all = []string{plan.Template}
	}
	return all
}

// share reports whether the texts have one of these templates.
func (w *words) share(templates []string) bool {
	return slices.ContainsFunc(templates, func(t string) bool { return w.columns[t] != nil })
}

// messages returns a function that digests a message: its template and the values that the
// template uses. templates are a cohort's, by route, and columns its fields. The digest is 0 for a
// template that w does not have. It has 63 bits, and is valid only in this process.
func (w *words) messages(templates, columns []string) func(route uint8, values []string) uint64 {
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

// WayVersion is the fingerprint of the words of one route: the routing plan, the kind of NHS App
// message or the columns of letters, and every text.
func WayVersion(c *campaign.Campaign) string {
	h := sha256.New()
	switch n, f := c.NHSApp, c.File; {
	case f != nil && f.Letters != nil:
		fmt.Fprintf(h, "letters%q%q", f.Letters.Format, f.Letters.Columns)
	case f != nil:
		fmt.Fprintf(h, "mesh%q", f.Mesh.RoutingPlanID)
	case n == nil:
		fmt.Fprintf(h, "%q", c.Notify.RoutingPlanID)
	case n.Push != nil:
		fmt.Fprintf(h, "push%q%q", n.Push.Display, n.Push.Reference)
	default:
		fmt.Fprint(h, "in-app")
		if n.Reply != nil {
			fmt.Fprintf(h, "reply%q", n.Reply.Options)
		}
	}
	for _, t := range c.Wording() {
		fmt.Fprintf(h, "%q%q", t.Name, t.Text)
	}
	read := c.Notify
	read.BillingReference = "" // nobody reads it
	for _, t := range read.Details() {
		fmt.Fprintf(h, "%q%q", t.Key, t.Text)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
