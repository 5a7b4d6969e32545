package notify

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"cohort/sinks/simulator/gateway"
)

// contactErrors applies the account's rule and the backend's checks to the contact details of
// a request.
func (s *Service) contactErrors(sub submission, single bool) []gateway.Refusal {
	var list []gateway.Refusal
	for i, m := range sub.messages {
		if falsy(m.contact) {
			continue
		}
		pointer := "/data/attributes/recipient/contactDetails"
		if !single {
			pointer = pointerMessages + "/" + strconv.Itoa(i) + "/recipient/contactDetails"
		}
		if !s.o.ContactDetails {
			return []gateway.Refusal{cannotSetContact.At(pointer)}
		}
		list = append(list, contactRefusals(m.contact, pointer)...)
	}
	return list
}

// contactRefusals checks the contact details of one message. It finds at most one error for
// each of sms, email, address and name.
func contactRefusals(contact gjson.Result, pointer string) []gateway.Refusal {
	if !contact.IsObject() {
		return []gateway.Refusal{invalidValue.Saying("Invalid").At(pointer)}
	}
	var list []gateway.Refusal
	for _, check := range []struct {
		field string
		wrong func(gjson.Result) string
	}{
		{"sms", func(v gjson.Result) string { return wrongString(v, "sms") }},
		{"email", wrongEmail},
		{"address", wrongAddress},
		{"name", wrongName},
	} {
		v := gateway.Member(contact, check.field)
		if falsy(v) {
			continue
		}
		if detail := check.wrong(v); detail != "" {
			list = append(list, invalidValue.Saying(detail).At(pointer+"/"+check.field))
		}
	}
	return list
}

func wrongString(v gjson.Result, name string) string {
	if falsy(v) || v.Type == gjson.String {
		return ""
	}
	return "'" + name + "' is not a string"
}

// wrongEmail checks the length that the specification gives. The service has not checked the
// form since May 2025.
func wrongEmail(v gjson.Result) string {
	if n := utf8.RuneCountInString(v.Str); v.Type == gjson.String && (n < 6 || n > 90) {
		return invalidValue.Detail
	}
	return wrongString(v, "email")
}

func wrongAddress(v gjson.Result) string {
	if !v.IsObject() {
		return "Invalid"
	}
	lines := gateway.Member(v, "lines")
	items := gateway.Elements(lines)
	switch {
	case !lines.IsArray(), slices.ContainsFunc(items, func(line gjson.Result) bool { return line.Type != gjson.String }):
		return "'lines' is not a string array"
	case len(items) > 5:
		return "Too many address lines were provided"
	case len(items) < 2:
		return "Too few address lines were provided"
	case gateway.Member(v, "postcode").Type != gjson.String:
		return "'postcode' is not a string"
	}
	return ""
}

func wrongName(v gjson.Result) string {
	if !v.IsObject() {
		return "Invalid"
	}
	for _, part := range []string{"prefix", "firstName", "middleNames", "lastName", "suffix"} {
		if detail := wrongString(gateway.Member(v, part), part); detail != "" {
			return detail
		}
	}
	if falsy(gateway.Member(v, "lastName")) {
		return "'lastName' is not a string"
	}
	return ""
}
