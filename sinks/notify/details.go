package notify

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/ingest/person"
)

// Details are the members of a message that come from the record, beside its personalisation:
// contact details, billing reference, originator. A blank one is left out. Invisible characters
// around a text are not sent.
type Details struct {
	contact, billing, originator *member // nil: never there
	limits                       []person.Limit
}

func (d Details) isEmpty() bool { return d.contact == nil && d.originator == nil && d.billing == nil }

// AppendJSON appends the details of a record as members of a JSON object, each after a comma. It
// appends nothing when all are blank.
func (d Details) AppendJSON(dst []byte, fields []string) []byte {
	return d.billing.append(d.originator.append(d.contact.append(dst, fields), fields), fields)
}

// Limits returns the service's limits for the records of a campaign, and of each route. The reader
// of the cohort applies them. Otherwise one bad record would have its whole request refused, or
// its message accepted and never sent.
func Limits(c *campaign.Campaign, fields []string) ([]person.Limit, error) {
	d, err := CompileDetails(c, fields)
	if err != nil {
		return nil, err
	}
	limits := d.limits
	for i, way := range c.ByRoute() {
		texts, err := CompileFields(way, fields)
		if err != nil {
			return nil, err
		}
		for _, f := range texts {
			if most := way.Longest(f.Name); most > 0 {
				limits = append(limits, person.Limit{
					Code: person.CodeTooLong, Words: fmt.Sprintf("the text of %s is longer than %d characters", f.Name, most),
					Keeps: func(fields []string) bool { return characters(f.Text, fields) <= most },
					Least: f.Text.LeastAbove(most), // a character has at least one byte
					Route: i + 1,
				})
			}
		}
	}
	return limits, nil
}

// characters counts the characters of a rendered text.
func characters(t engine.Template, fields []string) int {
	var room [1 << 10]byte
	return utf8.RuneCount(t.AppendText(room[:0], fields))
}

// CompileDetails compiles a campaign's details for records with these fields, in this order.
func CompileDetails(c *campaign.Campaign, fields []string) (Details, error) {
	texts := map[string]engine.Template{} // by key, without the common prefix
	for _, t := range c.Notify.Details() {
		compiled, err := engine.CompileTemplate(t.Text, fields)
		if err != nil {
			return Details{}, c.Mistake(t.Key, "cannot be filled in: "+err.Error())
		}
		texts[t.Key[len("sink.notify."):]] = compiled
	}
	const contact, address, name = "contact_details.", "contact_details.address.", "contact_details.name."
	text := func(name, key string) *member {
		if t, said := texts[key]; said {
			return &member{head: name, text: t, code: key == address+"postcode"}
		}
		return nil
	}
	var lines []*member
	for i := range c.Notify.Contact.Lines {
		lines = append(lines, text("", fmt.Sprintf("%slines[%d]", address, i)))
	}
	email, postcode, lastName, odsCode := text(`"email":`, contact+"email"), text(`"postcode":`, address+"postcode"), text(`"lastName":`, name+"last_name"), text(`"odsCode":`, "originator")
	names := group(`"name":{`, "}",
		text(`"prefix":`, name+"prefix"), text(`"firstName":`, name+"first_name"), text(`"middleNames":`, name+"middle_names"), lastName, text(`"suffix":`, name+"suffix"))
	d := Details{
		contact: group(`,"contactDetails":{`, "}", text(`"sms":`, contact+"sms"), email,
			group(`"address":{`, "}", group(`"lines":[`, "]", lines...), postcode), names),
		originator: group(`,"originator":{`, "}", odsCode),
		billing:    text(`,"billingReference":`, "billing_reference"),
	}
	d.limits = slices.Concat(emailLimits(email), addressLimits(lines, postcode), nameLimits(names, lastName), senderLimits(odsCode))
	return d, nil
}

// The limits are those of the contract, section 4.2. cohort.types checks what the service checks
// only later, such as the digits of a mobile number.

func emailLimits(email *member) []person.Limit {
	if email == nil {
		return nil
	}
	return []person.Limit{{Code: person.CodeBadContact, Words: "the email address does not have 6 to 90 characters", Keeps: func(fields []string) bool {
		n := email.length(fields)
		return n == 0 || 6 <= n && n <= 90
	}}}
}

func addressLimits(lines []*member, postcode *member) []person.Limit {
	if len(lines) == 0 {
		return nil
	}
	filled := func(fields []string) (n int) {
		for _, line := range lines {
			if line.length(fields) > 0 {
				n++
			}
		}
		return n
	}
	return []person.Limit{
		{Code: person.CodeBadContact, Words: "the address does not have 2 to 5 lines", Keeps: func(fields []string) bool {
			n := filled(fields)
			return 2 <= n && n <= 5 || n == 0 && postcode.length(fields) == 0
		}},
		{Code: person.CodeBadContact, Words: "the address has no postcode", Keeps: func(fields []string) bool {
			return postcode.length(fields) > 0 || filled(fields) == 0
		}},
	}
}

func nameLimits(name, last *member) []person.Limit {
	if name == nil {
		return nil
	}
	return []person.Limit{{Code: person.CodeBadContact, Words: "the name has no last name", Keeps: func(fields []string) bool {
		return last.length(fields) > 0 || !slices.ContainsFunc(name.group, func(part *member) bool { return part.length(fields) > 0 })
	}}}
}

func senderLimits(code *member) []person.Limit {
	if code == nil {
		return nil
	}
	return []person.Limit{{Code: person.CodeBadODSCode, Words: "the sender is not an ODS code of 3 to 10 letters and digits", Keeps: func(fields []string) bool {
		var room [32]byte
		text := code.rendered(room[:], fields)
		plain := !slices.ContainsFunc(text, func(c byte) bool { return (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') })
		return len(text) == 0 || plain && 3 <= len(text) && len(text) <= 10
	}}}
}
