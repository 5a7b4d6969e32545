package notify

import (
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/ingest/person"
)

// Field is one personalisation field: its name in the service's template, and its text.
type Field struct {
	Name string
	Text engine.Template
}

// CompileRoutes compiles the personalisation of each route of a campaign. A campaign without
// routes has one.
func CompileRoutes(c *campaign.Campaign, fields []string) (routes []Route, err error) {
	for _, way := range c.ByRoute() {
		r := Route{RoutingPlanID: way.Notify.RoutingPlanID}
		if r.Fields, err = CompileFields(way, fields); err != nil {
			return nil, err
		}
		routes = append(routes, r)
	}
	return routes, nil
}

// CompileFields compiles a campaign's personalisation for records with these fields, in this
// order.
func CompileFields(c *campaign.Campaign, fields []string) ([]Field, error) {
	var compiled []Field
	for _, p := range c.Personalisation {
		t, err := engine.CompileTemplate(p.Text, fields)
		if err != nil {
			return nil, c.Mistake("personalisation."+p.Field, "cannot be filled in: "+err.Error())
		}
		compiled = append(compiled, Field{Name: p.Field, Text: t})
	}
	return compiled, nil
}

// bodyParts are the constant parts of a request.
type bodyParts struct {
	head    []byte // up to the reference of the batch or the single message
	between string // between the batch reference and the messages
	open    string // of a message, up to its reference
	end     string // of a message
	tail    string
	details Details
	fixed   []byte   // from the NHS number to the personalisation, when it is the same for every record
	sender  []byte   // the originator of a record that names none
	names   [][]byte // of the personalisation fields, with the JSON around them
	texts   []engine.Template
}

func newBodyParts(o *Options, r Route) bodyParts {
	p := bodyParts{between: `","messages":[`, open: `{"messageReference":"`, end: `}`, tail: `]}}}`, details: o.Details}
	kind, reference := "MessageBatch", `,"messageBatchReference":"`
	if o.Single { // the members of the message are among the attributes
		kind, reference = "Message", `,`
		p.between, p.open, p.end, p.tail = "", `"messageReference":"`, "", `}}}`
	}
	p.head = append(p.head, `{"data":{"type":"`+kind+`","attributes":{"routingPlanId":`...)
	p.head = engine.AppendJSONString(p.head, r.RoutingPlanID)
	p.head = append(p.head, reference...)
	if o.ODSCode != "" {
		p.sender = append(p.sender, `,"originator":{"odsCode":`...)
		p.sender = append(engine.AppendJSONString(p.sender, o.ODSCode), '}')
	}
	if p.details.isEmpty() {
		p.fixed = append([]byte(`"}`), p.sender...)
	}
	for i, f := range r.Fields {
		name := []byte(`,`)
		if i == 0 {
			name = []byte(`,"personalisation":{`)
		}
		p.names = append(p.names, append(engine.AppendJSONString(name, f.Name), ':'))
		p.texts = append(p.texts, f.Text)
	}
	return p
}

// AppendHead implements engine.Sink. Single messages carry no batch reference.
func (s *Sink) AppendHead(dst []byte, batch engine.Reference, route uint8) []byte {
	parts := &s.parts[route]
	dst = append(dst, parts.head...)
	if s.o.Single {
		return dst
	}
	dst = append(dst, batch[:]...)
	return append(dst, parts.between...)
}

func (s *Sink) AppendMessage(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	parts := &s.parts[p.Route]
	dst = append(dst, parts.open...)
	dst = append(dst, message[:]...)
	dst = append(dst, `","recipient":{"nhsNumber":"`...)
	dst = p.Number.AppendDigits(dst)
	if parts.fixed != nil {
		dst = append(dst, parts.fixed...)
	} else {
		dst = parts.appendDetails(dst, p.Fields)
	}
	for i, name := range parts.names {
		dst = append(dst, name...)
		dst = parts.texts[i].AppendJSON(dst, p.Fields)
	}
	if len(parts.names) > 0 {
		dst = append(dst, '}')
	}
	return append(dst, parts.end...)
}

// appendDetails appends the members between the NHS number and the personalisation.
func (p *bodyParts) appendDetails(dst []byte, fields []string) []byte {
	dst = append(p.details.contact.append(append(dst, '"'), fields), '}')
	before := len(dst)
	if dst = p.details.originator.append(dst, fields); len(dst) == before {
		dst = append(dst, p.sender...)
	}
	return p.details.billing.append(dst, fields)
}

func (s *Sink) AppendTail(dst []byte) []byte { return append(dst, s.parts[0].tail...) }
