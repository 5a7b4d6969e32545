package notify

import (
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/ingest/person"
)

// Field is one personalisation field: its name in the service's template, and the
// text that fills it.
type Field struct {
	Name string
	Text engine.Template
}

// CompileRoutes compiles what each of a campaign's routes sends: see CompileFields. A
// campaign without routes has one.
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

// CompileFields compiles a campaign's personalisation against the fields that the
// cohort's records carry, in their order.
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

// bodyParts are what a request is made of that can be made once.
type bodyParts struct {
	head    []byte // up to the batch reference, or of a single message to its own
	between string // the batch reference and its messages
	open    string // of a message, up to its reference
	end     string // of a message
	tail    string
	details Details
	fixed   []byte   // from behind the NHS number to the personalisation, where records say nothing there
	sender  []byte   // the originator where a record names none
	names   [][]byte // of the personalisation fields, with what stands around them
	texts   []engine.Template
}

func newBodyParts(o *Options, r Route) bodyParts {
	p := bodyParts{between: `","messages":[`, open: `{"messageReference":"`, end: `}`, tail: `]}}}`, details: o.Details}
	kind, reference := "MessageBatch", `,"messageBatchReference":"`
	if o.Single { // a message's members stand among the attributes
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

// AppendHead implements engine.Sink. The reference of a batch is nothing to the service
// where messages go by themselves.
func (s *Sink) AppendHead(dst []byte, batch engine.Reference, route uint8) []byte {
	parts := &s.parts[route]
	dst = append(dst, parts.head...)
	if s.o.Single {
		return dst
	}
	dst = append(dst, batch[:]...)
	return append(dst, parts.between...)
}

// AppendMessage implements engine.Sink.
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

// appendDetails appends what stands between the NHS number and the personalisation.
func (p *bodyParts) appendDetails(dst []byte, fields []string) []byte {
	dst = append(p.details.contact.append(append(dst, '"'), fields), '}')
	before := len(dst)
	if dst = p.details.originator.append(dst, fields); len(dst) == before {
		dst = append(dst, p.sender...)
	}
	return p.details.billing.append(dst, fields)
}

// AppendTail implements engine.Sink.
func (s *Sink) AppendTail(dst []byte) []byte { return append(dst, s.parts[0].tail...) }
