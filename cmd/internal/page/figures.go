package page

import (
	"cmp"
	"fmt"
	"slices"

	"cohort/cmd/internal/markup"
	"cohort/cmd/internal/status"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// Account has a row for each part of the account. Together they are all records.
func (v *view) Account() *markup.Table {
	left := "Left to send"
	if v.S().PID == 0 {
		left = "Not sent"
	}
	of := v.fate
	rows := []markup.Row{
		{Name: "Accepted", N: of(person.Accepted), Fill: "c1"}, {Name: "Refused", N: of(person.Refused), Fill: "c4"},
		{Name: "In doubt", N: of(person.InDoubt), Fill: "c3"}, {Name: left, N: of(person.NotSent), Fill: "none"},
		{Name: "Left out", N: v.LeftOut(), Fill: "out"},
	}
	return markup.NewTable("account-"+v.Run.RunID, "What has become of "+markup.Plural(v.S().Records, "record", "records"),
		[]string{"", "Records", "Share"}, rows, v.S().Records, "")
}

func (v *view) Accepted() int64 { return v.fate(person.Accepted) }
func (v *view) InDoubt() int64  { return v.fate(person.InDoubt) }
func (v *view) ToSend() int64   { return v.fate(person.NotSent) }

// LeftOut counts the records that are not to be sent.
func (v *view) LeftOut() int64 {
	return v.fate(person.Suppressed) + v.fate(person.Invalid) + v.fate(person.Duplicate)
}

// figure is one of the figures in large print.
type figure struct{ Name, Value, Note string }

// Figures are those of the process at work, or what the log knows.
func (v *view) Figures() []figure {
	s := v.S()
	rate, last := figure{"Rate", "0", "nothing is sent now"}, figure{"Last answer", "–", "none yet"}
	way := figure{"Under way", "0", "messages"}
	if s.Rate != nil {
		rate = figure{"Rate now", fmt.Sprintf("%.1f a second", s.Rate.PerSecond), "even rate: any"}
		if s.Rate.Even > 0 {
			rate.Note = "even rate " + pace.Figure(s.Rate.Even) + " a second"
		}
	}
	if s.LastAnswer != nil {
		last.Value, last.Note = v.Clock(*s.LastAnswer), "from the service"
	}
	if now := s.Live; now != nil {
		way.Value = markup.Number(int64(now.InFlight))
		way.Note = "messages, in " + markup.Plural(int64(now.Requests), "request", "requests")
		if now.Latency.P50 > 0 {
			last.Note = "half within " + brief(now.Latency.P50) + ", 99% within " + brief(now.Latency.P99)
		}
	}
	return []figure{rate, last, way, {"Done", v.Done(), v.doneNote()}}
}

func (v *view) doneNote() string {
	switch s := v.S(); {
	case v.Remain() > 0:
		return markup.Number(v.Remain()) + " will remain at " + v.short(*s.Window.Closes)
	case s.ExpectedEnd != nil && s.Window != nil && s.Window.Closes != nil:
		return "the window closes at " + v.short(*s.Window.Closes)
	case s.ExpectedEnd != nil:
		return "if nothing comes in between"
	case s.State == ledger.Finished && s.FirstStart != nil && s.LastAnswer != nil:
		return "within " + markup.Span(s.LastAnswer.Sub(*s.FirstStart))
	}
	return "nobody can say"
}

// pairs is a table with two columns.
type pairs struct {
	Caption, First, Second string
	Numbers                bool // in the second
	Rows                   []pair
}

type pair struct{ Name, Value string }

func (p *pairs) add(is bool, name, value string) {
	if is {
		p.Rows = append(p.Rows, pair{name, value})
	}
}

// LeftOutBy counts the records that are left out, by reason.
func (v *view) LeftOutBy() *pairs {
	return &pairs{"Records that are left out, by reason", "Reason", "Records", true, []pair{
		{"On a suppression list", markup.Number(v.fate(person.Suppressed))},
		{"A fault in the record", markup.Number(v.fate(person.Invalid))},
		{"Another record of the same person", markup.Number(v.fate(person.Duplicate))},
	}}
}

// Answers counts requests by what they came back with. The answers that say why have rows of their own.
func (v *view) Answers() *pairs {
	const most = 8
	t, r := &pairs{"Requests by their answer", "Answer", "Requests", true, nil}, v.S().Traffic.Results
	for _, a := range []struct {
		name string
		n    uint64
	}{
		{"Accepted", r.Accepted}, {"The service had it already", r.Duplicate},
		{"The service asked for quiet (429, 503)", r.Throttled},
		{"Refused, or to be asked again", r.Refused}, {"No answer", r.Unanswered},
	} {
		t.add(true, a.name, markup.Number(int64(a.n)))
	}
	plain := func(a ledger.Answers) bool { return a.Code == "" || a.Status/100 == 2 }
	codes := slices.DeleteFunc(slices.Clone(v.S().Traffic.Answers), plain)
	slices.SortStableFunc(codes, func(a, b ledger.Answers) int { return cmp.Compare(b.N, a.N) })
	for _, a := range codes[:min(most, len(codes))] {
		name := a.Code
		if a.Status != 0 {
			name = fmt.Sprint(a.Status, " ", a.Code)
		}
		t.add(true, markup.OneLine(name), markup.Number(int64(a.N)))
	}
	if now := v.S().Live; now != nil && now.Latency.P50 > 0 {
		t.add(true, "Of the latest, half within", brief(now.Latency.P50))
		t.add(true, "95% within", brief(now.Latency.P95))
		t.add(true, "99% within", brief(now.Latency.P99))
	}
	return t
}

// Delivery counts accepted messages by what became of them; nil: nothing is known yet.
func (v *view) Delivery() *pairs {
	d := v.delivery(v.Run.Folder)
	if d == nil {
		return nil
	}
	t := &pairs{"Accepted messages by what became of them", "What", "Messages", true, nil}
	for _, status := range []string{"read", "delivered", "failed", "pending"} {
		for _, channel := range []string{"nhsapp", "sms", "email", "letter", "none"} {
			n := d.Status[[2]string{status, channel}]
			t.add(n > 0, words[status]+words[channel], markup.Number(n))
		}
	}
	t.add(true, "Nothing known yet", markup.Number(d.Unknown))
	overdue := int64(0)
	for _, n := range d.Overdue {
		overdue += n
	}
	t.add(overdue > 0, "Without a last word for too long", markup.Number(overdue))
	return t
}

var words = map[string]string{
	"read": "Read", "delivered": "Delivered", "failed": "Failed", "pending": "On its way",
	"nhsapp": ", NHS App", "sms": ", SMS", "email": ", email", "letter": ", letter",
}

// Pace lists what decides the rate, and who changed it.
func (v *view) Pace() *pairs {
	s, t := v.S(), &pairs{"Pace, and who changed it", "Setting", "Value", false, nil}
	if r := s.Rate; r != nil {
		t.add(r.Even > 0, "Even rate", perSecond(r.Even))
		t.add(r.Allowed > 0, "Allowed now", perSecond(r.Allowed))
		t.add(r.Allowed == 0, "Allowed now", "any rate")
		t.add(r.Rule != "", "Decided by", r.Rule)
	}
	if o := s.PaceLever; o != nil {
		t.add(o.PerSecond > 0, "Instead of the campaign’s", perSecond(o.PerSecond))
	}
	if w := s.Window; w != nil && w.Opens != nil && w.Closes != nil {
		t.add(true, "Window", v.short(*w.Opens)+" to "+v.short(*w.Closes))
	}
	if k := s.Key; k != nil {
		use := fmt.Sprintf("%d of %d requests in the last minute; %s", k.Requests, k.Quota, k.Others())
		t.add(true, "API key "+k.Share, use)
	}
	change := "nobody has changed it"
	for _, e := range s.Events {
		if slices.Contains([]record.Verb{record.VerbPace, record.VerbPause, record.VerbContinue}, record.Verb(e.Verb)) {
			change = v.Clock(e.At) + ", " + markup.OneLine(status.Words(&e))
		}
	}
	t.add(true, "Last change", change)
	return t
}

// Events are the latest, the newest first.
func (v *view) Events() *pairs {
	const most = 10
	t := &pairs{"The latest events, the newest first", "Time", "What happened", false, nil}
	for _, e := range slices.Backward(v.S().Events) {
		t.add(len(t.Rows) < most, v.Clock(e.At), markup.Capital(markup.OneLine(status.Words(&e))))
	}
	return t
}

// Facts say where the run is kept.
func (v *view) Facts() *pairs {
	s, t := v.S(), &pairs{"Where this run is kept", "What", "Where", false, nil}
	t.add(true, "Folder", s.Folder)
	t.add(s.Service != "", "Sends to", s.Service)
	t.add(s.PID != 0, "Process", fmt.Sprintf("%d on %s", s.PID, s.Host))
	t.add(s.PID == 0, "Process", "none is at work")
	if s.FirstStart != nil {
		t.add(true, "Begun", v.Clock(*s.FirstStart)+", starts: "+fmt.Sprint(s.Starts))
	}
	t.add(s.Fates != nil, "Batches planned", markup.Number(int64(s.Batches)))
	t.add(true, "Records of the log", markup.Number(int64(s.Position)))
	return t
}
