package campaign

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Frozen returns the keys that must not change after planning, with their values as one line of
// text each, sorted by key.
func (c *Campaign) Frozen() []Setting {
	settings := []Setting{
		{"campaign", c.Name},
		{"profile", string(c.Profile)},
		{"cohort.required", list(c.Cohort.Required)},
		{"cohort.duplicates", c.Cohort.Duplicates.words()},
		{"cohort.superseded_by", c.Cohort.Superseded},
		{"cohort.withdrawn", c.Cohort.Withdrawn.words()},
		{"cohort.format", c.Cohort.Format.Words()},
		{"cohort.numbers", string(c.Cohort.Numbers)},
		{"cohort.multiline", list(c.Cohort.Multiline)},
		{"reach.practice", c.Reach.words()},
	}
	if c.ReservedNames != "" {
		settings = append(settings, Setting{reservedNamesKey, c.ReservedNames})
	}
	if len(c.KeepColumns) > 0 {
		settings = append(settings, Setting{"keep_columns", list(c.KeepColumns)})
	}
	if c.Literal {
		settings = append(settings, Setting{"content.literal", "true"})
	}
	if c.Cohort.Checked {
		settings = append(settings, Setting{"cohort.encoding_checked", "true"})
	}
	switch {
	case c.NHSApp != nil:
		settings = append(settings, c.NHSApp.frozen()...)
	case c.File != nil:
		settings = append(settings, c.File.frozen()...)
	default:
		settings = append(settings, c.Notify.frozen()...)
	}
	for field, headers := range c.Cohort.Columns {
		settings = append(settings, Setting{"cohort.columns." + field, list(headers)})
	}
	byField := map[string]map[string]string{"cohort.types.": c.Cohort.Types, "cohort.defaults.": c.Cohort.Defaults}
	for at, values := range byField {
		for field, value := range values {
			settings = append(settings, Setting{at + field, value})
		}
	}
	for _, p := range c.Personalisation {
		settings = append(settings, Setting{"personalisation." + p.Field, p.Text})
	}
	for _, f := range c.FollowUps {
		settings = append(settings, Setting{"followup." + f.Name, f.words(filepath.Dir(c.Path))})
	}
	settings = append(settings, frozenRoutes(c.Routes)...)
	slices.SortFunc(settings, func(a, b Setting) int { return strings.Compare(a.Key, b.Key) })
	return settings
}

func (n Notify) frozen() []Setting {
	settings := []Setting{
		{"sink.notify.base_url", n.BaseURL},
		{"sink.notify.routing_plan_id", n.RoutingPlanID},
		{"sink.notify.ods_code", n.ODSCode},
		{"sink.notify.endpoint", n.Endpoint.words()},
		{"sink.notify.batch.max_messages", strconv.Itoa(n.Batch.MaxMessages)},
		{"sink.notify.batch.max_bytes", strconv.Itoa(n.Batch.MaxBytes)},
		{"sink.notify.batch.smoothing", n.Batch.Smoothing.String()},
	}
	for _, t := range n.Details() {
		settings = append(settings, Setting{t.Key, t.Text})
	}
	return settings
}

func (n *NHSApp) frozen() []Setting {
	settings := []Setting{
		{"sink.nhsapp.base_url", n.BaseURL},
		{"sink.nhsapp.requester_ods_code", n.ODSCode},
		{"sink.nhsapp.campaign_id", n.CampaignID},
		{"sink.nhsapp.on_behalf_of", n.OnBehalfOf},
	}
	if n.Push != nil {
		return append(settings, Setting{"sink.nhsapp.push.display", n.Push.Display}, Setting{"sink.nhsapp.push.reference", n.Push.Reference})
	}
	return append(settings, Setting{"sink.nhsapp.in_app.content", n.Content}, Setting{"sink.nhsapp.in_app.reply", n.Reply.words()})
}

// frozenRoutes lists the routes in order, and the keys that each replaces. Without routes it is
// empty, as in plans of older versions.
func frozenRoutes(routes []Route) (settings []Setting) {
	var all []string
	for _, r := range routes {
		at := "route." + r.Name
		all = append(all, r.Name+" "+r.words())
		if r.RoutingPlanID != "" {
			settings = append(settings, Setting{at + ".routing_plan_id", r.RoutingPlanID})
		}
		if r.OwnPersonalisation {
			settings = append(settings, Setting{at + ".personalisation", "its own"})
		}
		for _, p := range r.Personalisation {
			settings = append(settings, Setting{at + ".personalisation." + p.Field, p.Text})
		}
		if r.Content != "" {
			settings = append(settings, Setting{at + ".content", r.Content})
		}
		if r.Push != nil {
			settings = append(settings, Setting{at + ".display", r.Push.Display}, Setting{at + ".reference", r.Push.Reference})
		}
	}
	if len(all) > 0 {
		settings = append(settings, Setting{"route", strings.Join(all, "; ")})
	}
	return settings
}

// words describes the records of a route. Different routes have different words.
func (r Route) words() string {
	if len(r.When) == 0 {
		return "takes every record"
	}
	var all []string
	for _, c := range r.When {
		var asked []string
		for _, v := range c.Values {
			asked = append(asked, plainly(v))
		}
		said := strings.Join(asked, " or ")
		switch {
		case c.From != "" && c.To != "":
			said = "from " + c.From + " to " + c.To
		case c.From != "":
			said = "at least " + c.From
		case c.To != "":
			said = "at most " + c.To
		}
		all = append(all, plainly(c.Column)+" is "+said)
	}
	return "takes records whose " + strings.Join(all, " and whose ")
}

var plainForm = regexp.MustCompile(`^[\p{L}\p{N}._/-]+$`)

// plainly quotes a text, unless it is one plain word.
func plainly(text string) string {
	if !plainForm.MatchString(text) || slices.Contains([]string{"or", "and", "is", "whose"}, text) {
		return strconv.Quote(text)
	}
	return text
}

// list writes names in one line. Different lists have different lines.
func list(names []string) string {
	quoted := slices.Clone(names)
	for i, name := range quoted {
		if name == "" || strings.ContainsAny(name, ",\"\n") || strings.TrimSpace(name) != name {
			quoted[i] = strconv.Quote(name)
		}
	}
	return strings.Join(quoted, ", ")
}

// Setting is a key of the campaign file with its value as text.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// DifferenceError means that the value of a frozen key differs from the plan.
type DifferenceError struct {
	Key, Planned, Now string
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("%s is %q now and %q in the plan of this run; put it back", e.Key, e.Now, e.Planned)
}

// Compare returns a *DifferenceError for the first frozen key with another value than planned, or
// nil. A missing key is like an empty value. But an empty personalisation is still a field of
// every message, and an empty default still replaces white space: these keys must exist on both
// sides. It does not compare reserved_names, because that changes no message.
func Compare(planned, now []Setting) error {
	was := make(map[string]string, len(planned))
	for _, s := range planned {
		was[s.Key] = s.Value
	}
	delete(was, reservedNamesKey)
	for _, s := range now {
		if s.Key == reservedNamesKey {
			continue
		}
		if old, ok := was[s.Key]; old != s.Value || !ok && isField(s.Key) {
			return &DifferenceError{Key: s.Key, Planned: old, Now: s.Value}
		}
		delete(was, s.Key)
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if was[key] != "" || isField(key) {
			return &DifferenceError{Key: key, Planned: was[key]}
		}
	}
	return nil
}

func isField(key string) bool {
	return strings.HasPrefix(key, "personalisation.") || strings.HasPrefix(key, "cohort.defaults.") ||
		strings.HasPrefix(key, "route.") && strings.Contains(key, ".personalisation.")
}

func (d Duplicates) words() string {
	if d.LatestBy != "" {
		return "latest_by " + d.LatestBy
	}
	return d.Rule
}

// words is empty for Batches, as in plans of older versions.
func (e Endpoint) words() string {
	if e == Batches {
		return ""
	}
	return string(e)
}

func (w Withdrawn) words() string {
	if w.Column == "" {
		return ""
	}
	return w.Column + ": " + list(w.Values)
}

// Words lists the keys of a format in one line; empty without keys.
func (f Format) Words() string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"type", f.Type}, {"delimiter", f.Delimiter}, {"encoding", f.Encoding}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+strconv.Quote(p.value))
		}
	}
	if f.Header != nil {
		parts = append(parts, "header "+strconv.FormatBool(*f.Header))
	}
	return strings.Join(parts, ", ")
}
