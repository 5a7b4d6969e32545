package campaign

import (
	"fmt"
	"slices"
)

// Contact has contact details that replace those of the service. Each is a text with ((column))
// placeholders; an empty one is not sent.
type Contact struct {
	SMS, Email string

	Lines    []string // of the address
	Postcode string

	Prefix, FirstName, MiddleNames, LastName, Suffix string
}

func (c Contact) IsEmpty() bool { return len(c.texts()) == 0 }

// Text is a text that is filled in for each record.
type Text struct {
	Key  string // of the campaign file
	Name string // the field of the message that it fills; empty: it is a detail
	Text string // with ((column)) placeholders
}

// Texts lists every text that is filled in for each record: the wording and the details.
func (c *Campaign) Texts() []Text { return append(c.Wording(), c.Notify.Details()...) }

// Wording lists the texts that a person reads, in their order on the wire: the personalisation,
// the content of an NHS App message, or the columns of a letters file.
func (c *Campaign) Wording() (texts []Text) {
	switch {
	case c.NHSApp != nil && c.NHSApp.Push != nil: // a notification is the same for everybody
	case c.NHSApp != nil:
		texts = append(texts, Text{"sink.nhsapp.in_app.content_file", "text", c.NHSApp.Content})
	case c.File != nil && c.File.Letters != nil:
		texts = c.letters()
	default:
		for _, p := range c.Personalisation {
			texts = append(texts, Text{"personalisation." + p.Field, p.Field, p.Text})
		}
	}
	return texts
}

// Details lists the texts that the service gets beside the personalisation.
func (n Notify) Details() []Text {
	all := []Text{detail("billing_reference", n.BillingReference), detail("originator", n.Originator)}
	return append(present(all), n.Contact.texts()...)
}

func (c Contact) texts() []Text {
	const address, name = "contact_details.address.", "contact_details.name."
	all := []Text{detail("contact_details.sms", c.SMS), detail("contact_details.email", c.Email)}
	for i, line := range c.Lines {
		all = append(all, detail(fmt.Sprintf("%slines[%d]", address, i), line))
	}
	return present(append(all,
		detail(address+"postcode", c.Postcode),
		detail(name+"prefix", c.Prefix), detail(name+"first_name", c.FirstName), detail(name+"middle_names", c.MiddleNames),
		detail(name+"last_name", c.LastName), detail(name+"suffix", c.Suffix),
	))
}

func detail(key, text string) Text { return Text{Key: "sink.notify." + key, Text: text} }

func present(all []Text) []Text {
	return slices.DeleteFunc(all, func(t Text) bool { return t.Text == "" })
}

func (l *loader) text(key string, text *string) string {
	switch {
	case text == nil && !l.has(key):
		return ""
	case text == nil || *text == "":
		l.wrong(key, "must be a text, such as \"((column))\"; take the key out if there is none")
		return ""
	}
	return *text
}

// The service wants at least two lines of an address. The most is checked for each record,
// because its empty lines are left out.
const (
	fewestLines = 2
	mostLines   = 20
)

// contact reads the contact details and checks the rules of the service.
func (l *loader) contact(s *contactSection) (c Contact) {
	const key, address, name = "sink.notify.contact_details", "sink.notify.contact_details.address", "sink.notify.contact_details.name"
	if !l.has(key) {
		return c
	}
	c.SMS, c.Email = l.text(key+".sms", s.SMS), l.text(key+".email", s.Email)
	c.Lines, c.Postcode = s.Address.Lines, l.text(address+".postcode", s.Address.Postcode)
	if n := len(c.Lines); l.has(address) && (n < fewestLines || n > mostLines) {
		l.wrong(address, "needs between %d and %d lines; a record may fill 5 of them", fewestLines, mostLines)
	}
	if slices.Contains(c.Lines, "") {
		l.wrong(address+".lines", "must each be a text, such as \"((address_line_1))\"")
	}
	if l.has(address) && c.Postcode == "" {
		l.wrong(address, "needs a postcode")
	}
	n := &s.Name
	c.Prefix, c.FirstName = l.text(name+".prefix", n.Prefix), l.text(name+".first_name", n.FirstName)
	c.MiddleNames, c.LastName = l.text(name+".middle_names", n.MiddleNames), l.text(name+".last_name", n.LastName)
	c.Suffix = l.text(name+".suffix", n.Suffix)
	if l.has(name) && c.LastName == "" {
		l.wrong(name, "needs a last_name")
	}
	if c.IsEmpty() {
		l.wrong(key, "must name sms, email, address or name")
	}
	return c
}
