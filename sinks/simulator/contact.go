package simulator

import (
	"strconv"
	"unicode/utf8"
)

// contactRefusals are the backend's checks of a message's contactDetails: at
// most one error for each of sms, email, address and name.
func contactRefusals(contact raw, pointer string) []refusal {
	if contact.falsy() {
		return nil
	}
	if !contact.object() {
		return []refusal{invalidValue.saying("Invalid").at(pointer)}
	}
	fields := map[string]raw{}
	contact.members(func(name []byte, value raw) { fields[string(name)] = value })
	var list []refusal
	for _, check := range []struct {
		field string
		wrong func(raw) string
	}{
		{"sms", func(v raw) string { return wrongString(v, "sms") }},
		{"email", wrongEmail},
		{"address", wrongAddress},
		{"name", wrongName},
	} {
		if detail := check.wrong(fields[check.field]); detail != "" {
			list = append(list, invalidValue.saying(detail).at(pointer+"/"+check.field))
		}
	}
	return list
}

func wrongString(v raw, name string) string {
	if v.falsy() || v.isString() {
		return ""
	}
	return "'" + name + "' is not a string"
}

// wrongEmail asks for the length that the specification gives. The form has not been
// looked at since May 2025.
func wrongEmail(v raw) string {
	if wrong := wrongString(v, "email"); wrong != "" || v.falsy() {
		return wrong
	}
	text, _ := v.text()
	if n := utf8.RuneCountInString(text); n < 6 || n > 90 {
		return invalidValue.detail
	}
	return ""
}

func wrongAddress(v raw) string {
	if v.falsy() {
		return ""
	}
	if !v.object() {
		return "Invalid"
	}
	var lines, postcode raw
	v.members(func(name []byte, value raw) {
		switch string(name) {
		case "lines":
			lines = value
		case "postcode":
			postcode = value
		}
	})
	if !lines.array() {
		return "'lines' is not a string array"
	}
	items := lines.elements()
	for _, line := range items {
		if !line.isString() {
			return "'lines' is not a string array"
		}
	}
	switch {
	case len(items) > 5:
		return "Too many address lines were provided"
	case len(items) < 2:
		return "Too few address lines were provided"
	case !postcode.isString():
		return "'postcode' is not a string"
	}
	return ""
}

func wrongName(v raw) string {
	if v.falsy() {
		return ""
	}
	if !v.object() {
		return "Invalid"
	}
	parts := map[string]raw{}
	v.members(func(name []byte, value raw) { parts[string(name)] = value })
	for _, part := range []string{"prefix", "firstName", "middleNames", "lastName", "suffix"} {
		if detail := wrongString(parts[part], part); detail != "" {
			return detail
		}
	}
	if parts["lastName"].falsy() {
		return "'lastName' is not a string"
	}
	return ""
}

// contactErrors applies the account's rule and the checks above to a request.
func (s *Server) contactErrors(sub submission, single bool) []refusal {
	var list []refusal
	for i, m := range sub.messages {
		if m.contact.undefined() {
			continue
		}
		pointer := "/data/attributes/recipient/contactDetails"
		if !single {
			pointer = pointerMessages + "/" + strconv.Itoa(i) + "/recipient/contactDetails"
		}
		if !s.o.Account.ContactDetails {
			if !m.contact.falsy() {
				return []refusal{cannotSetContact.at(pointer)}
			}
			continue
		}
		list = append(list, contactRefusals(m.contact, pointer)...)
	}
	return list
}
