package find

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"cohort/cmd/internal/intake"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/delivery"
	"cohort/engine/inspect"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks"
)

// Found is one record of a person, and what became of it.
type Found struct {
	Folder   string    `json:"folder"`
	RunID    string    `json:"run_id"`
	Campaign string    `json:"campaign"`
	Purpose  string    `json:"purpose,omitempty"` // why it was sent
	Service  string    `json:"service"`
	Planned  time.Time `json:"planned_at"`
	FollowUp string    `json:"follow_up,omitempty"` // the run before it, and the rule

	Row           int64  `json:"row"`
	File          string `json:"file"`
	Line          int64  `json:"line"`
	FileReference string `json:"file_message_reference,omitempty"`
	Route         string `json:"route,omitempty"`

	Outcome          person.Fate `json:"outcome"`
	Code             string      `json:"reason_code,omitempty"`
	Reason           string      `json:"reason,omitempty"`
	MessageReference string      `json:"message_reference,omitempty"`
	BatchReference   string      `json:"batch_reference,omitempty"`
	MessageID        string      `json:"message_id,omitempty"`
	Attempts         int         `json:"attempts"`
	Message          *Message    `json:"message,omitempty"` // nil: the record has no message

	Status  string     `json:"delivery_status,omitempty"`
	History []Happened `json:"history,omitempty"`

	number person.NHSNumber
	zone   *time.Location
}

// Message has the texts of a person's message.
type Message struct {
	Template    string  `json:"template_version"`
	Plan        string  `json:"routing_plan,omitempty"`         // its id; the service has the words
	PlanVersion string  `json:"routing_plan_version,omitempty"` // it tells which words; empty: not known
	Proven      bool    `json:"proven"`                         // the request comes out again as it was recorded
	Problem     string  `json:"problem,omitempty"`              // why not: Fields are the values from the cohort
	Fields      []Field `json:"fields"`
}

// Field is a text of a message.
type Field struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Happened is one thing that happened to a message.
type Happened struct {
	At     time.Time `json:"at"`
	Source string    `json:"source"` // the run's log, or a delivery.Source
	What   string    `json:"what"`   // in words
}

// describe shows the fate of a record.
func (r *run) describe(record *person.Record) (*Found, error) {
	p := r.plan
	f := &Found{
		Folder: r.dir, RunID: p.RunID, Campaign: p.Campaign, Service: p.Service, Planned: p.Created, FollowUp: p.FollowUp.String(),
		Purpose: runfolder.Heading(r.dir).Purpose.Text,
		Row:     record.Row, Line: record.Line, FileReference: record.Reference,
		Outcome: record.Fate, Code: record.Code, Reason: record.Reason, zone: time.UTC,
	}
	f.number, _ = person.ParseNHSNumber(record.Number) // of an invalid record it may be none
	if record.File < len(p.Cohort.Files) {
		f.File = p.Cohort.Files[record.File].Path
	}
	if r.campaign != nil && r.campaign.Pace.Location != nil {
		f.zone = r.campaign.Pace.Location
	}
	if len(p.Routes) > 0 && record.Shard >= 0 {
		f.Route = p.Routes[p.RouteOf(record.Lane)].Name
	}
	if record.Fate != "" {
		return f, nil
	}
	return f, r.describeMessage(f, record.Lane, record.Position)
}

// describeMessage shows the fate of a record that was to be sent.
func (r *run) describeMessage(f *Found, lane person.Lane, position uint32) error {
	from, to := r.plan.LaneBatches(lane)
	var failed error
	number := from + uint32(sort.Search(int(to-from), func(i int) bool {
		b, err := r.plan.Batch(from + uint32(i))
		failed = cmp.Or(failed, err)
		return b.To > position
	}))
	planned, err := r.plan.Batch(number)
	if err = cmp.Or(failed, err); err != nil {
		return runfolder.Damaged(err)
	}
	folded, records, err := ledger.ReadBatch(r.dir, r.plan, number)
	if err != nil {
		return runfolder.Unsound(r.dir, err)
	}
	fields, told, err := r.told(folded, &planned, position)
	if err != nil {
		return runfolder.Damaged(err)
	}
	f.Outcome, f.Code, f.Reason, f.Attempts = told.Fate, told.Code, told.Reason, told.Attempts
	f.MessageReference, f.BatchReference, f.MessageID = told.MessageReference, told.BatchReference, told.MessageID
	held, latest := map[plan.FormID]bool{}, plan.FormID{Batch: number}
	for id, form := range folded.EveryForm(&planned) {
		if held[id], _ = form.Holds(position); held[id] && folded.State(id).Attempts > 0 {
			latest = id
		}
	}
	for _, rec := range records {
		e, err := inspect.ReadEntry(r.plan, rec)
		if err != nil {
			return runfolder.Unsound(r.dir, err)
		}
		if h, ok := happenedIn(&e, held, position); ok {
			f.History = append(f.History, h)
		}
	}
	form, err := folded.Form(latest)
	if err != nil {
		return runfolder.Damaged(err)
	}
	f.Message = r.message(&planned, latest, &form, fields)
	return nil
}

// told returns the fields and the outcome of the message at a position of a batch.
func (r *run) told(
	folded *ledger.Ledger, planned *plan.Batch, position uint32,
) (fields []string, told outcome.Message, err error) {
	reader, err := outcome.Open(r.dir, r.plan, folded)
	if err != nil {
		return nil, told, err
	}
	defer func() { _ = reader.Close() }()
	for p, err := range r.spool.Recipients(planned.Lane, planned.From, position+1) {
		if err == nil && p.Suppressed {
			continue
		}
		if err == nil {
			told, err = reader.Outcome(p.Row, planned.Lane, p.Position)
		}
		if err != nil {
			return nil, told, err
		}
		fields = append(fields[:0], p.Fields...)
	}
	return fields, told, nil
}

// message builds a request again, and fills in the texts of one message if the request is as it was recorded.
func (r *run) message(planned *plan.Batch, id plan.FormID, form *plan.Form, fields []string) *Message {
	m := &Message{Template: r.plan.TemplateOf(planned.Lane)}
	way, err := r.rebuild(planned, id, form)
	if err == nil {
		for _, t := range way.Texts() {
			compiled, err := engine.CompileTemplate(t.Text, r.spool.Manifest.Fields)
			if err != nil {
				m.Problem = err.Error()
			}
			if text := string(compiled.AppendText(nil, fields)); strings.TrimSpace(text) != "" || t.Name != "" {
				m.Fields = append(m.Fields, Field{cmp.Or(t.Name, t.Key), text})
			}
		}
		switch {
		case way.NHSApp != nil && way.NHSApp.Push != nil:
			m.Fields = append(m.Fields, Field{"display", way.NHSApp.Push.Display})
		case way.File != nil && way.File.Mesh != nil:
			m.Plan = way.File.Mesh.RoutingPlanID
		case way.NHSApp == nil && way.File == nil && way.Notify.RoutingPlan == "": // a free-text plan has no words
			m.Plan = way.Notify.RoutingPlanID
		}
		m.Proven = true
		return m
	}
	m.Problem = err.Error()
	for i, name := range r.spool.Manifest.Fields {
		m.Fields = append(m.Fields, Field{name, fields[i]})
	}
	return m
}

// rebuild builds a request again and compares it with its digest. It returns the campaign of the request's route.
func (r *run) rebuild(planned *plan.Batch, id plan.FormID, form *plan.Form) (*campaign.Campaign, error) {
	if r.mistake != nil {
		return nil, r.mistake
	}
	if err := intake.BroughtPersonalisation(r.campaign, &runfolder.Folder{Path: r.dir}); err != nil {
		return nil, err
	}
	sink, err := sinks.Measuring(r.campaign, r.spool.Manifest.Fields)
	if err != nil {
		return nil, err
	}
	builder := plan.Builder{References: r.plan.References, Source: r.spool, Sink: sink}
	if err := builder.Rebuild(&plan.Body{}, planned, id, form); err != nil {
		return nil, err
	}
	return r.campaign.ByRoute()[r.plan.RouteOf(planned.Lane)], nil
}

// conclude adds the state of the message, and puts its history in order.
func (f *Found) conclude(s delivery.State) {
	f.Status, f.MessageID = s.Status, cmp.Or(f.MessageID, s.MessageID)
	if f.Message != nil {
		f.Message.PlanVersion = s.RoutingVersion
	}
	slices.SortStableFunc(f.History, func(a, b Happened) int { return a.At.Compare(b.At) })
}
