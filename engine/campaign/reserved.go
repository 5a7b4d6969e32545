package campaign

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// reservedNames are the personalisation names that NHS Notify reserves (contract, section 4.9).
// The service accepts a batch with one of them, and later every message fails.
var reservedNames = strings.Fields(`full_name first_name last_name middle_names name_prefix name_suffix
	nhs_number date email_address phone_number client_ref recipient_contact_value template
	address_line_1 address_line_2 address_line_3 address_line_4 address_line_5 address_line_6 address_line_7`)

// reservedNamesKey is the key that allows names similar to a reserved one.
const reservedNamesKey = "reserved_names"

// checkedNames is the value of reserved_names that allows them.
const checkedNames = "checked"

// CheckNames refuses personalisation names that NHS Notify reserves, in every route except those with a free-text plan.
// A mistake is a *FileError. If the cohort file brings the personalisation, the caller fills it in before.
func (c *Campaign) CheckNames() error {
	for _, way := range c.ByRoute() {
		if way.takesFreeText() || !way.PersonalisesAll() {
			continue
		}
		for _, p := range way.Personalisation {
			if err := way.checkName(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// takesFreeText reports whether the routing plan is one of the free-text plans.
func (c *Campaign) takesFreeText() bool {
	id := c.Notify.RoutingPlanID
	if c.File != nil && c.File.Mesh != nil {
		id = c.File.Mesh.RoutingPlanID
	}
	return slices.ContainsFunc(routingPlans, func(p routingPlan) bool { return p.id == id })
}

func (c *Campaign) checkName(p Personalisation) error {
	reserved, exact := reservedName(p.Field)
	if reserved == "" || !exact && c.ReservedNames == checkedNames {
		return nil
	}
	word := "patient_"
	if reserved == "date" {
		word = "appointment_"
	}
	problem := "is a name that NHS Notify reserves: it would accept the messages and then fail every one"
	insist := ""
	if !exact {
		problem = fmt.Sprintf("resembles %s, a name that NHS Notify reserves: it may accept the messages and then fail every one",
			camelCase(reserved))
		insist = "; if NHS Notify has said that this name works, set reserved_names: checked"
	}
	key, free := "personalisation."+p.Field, word+reserved
	if c.lines[c.Key(key)] == 0 { // the name comes from the upload file
		return c.Mistake(key, fmt.Sprintf("(a column of the upload file) %s; name the personalisation in the campaign file, "+
			"such as personalisation: {%s: %q}, and use ((%s)) in the service's template%s", problem, free, p.Text, free, insist))
	}
	return c.Mistake(key, fmt.Sprintf("%s; call it %s here and in the service's template%s", problem, free, insist))
}

// reservedName finds the reserved name that is equal or similar to a name. It compares only
// letters and digits, without case. It is empty if there is none.
func reservedName(name string) (reserved string, exact bool) {
	for _, r := range reservedNames {
		if plainName(r) == plainName(name) {
			return r, name == camelCase(r) || name == r && strings.HasPrefix(r, "address_line_")
		}
	}
	return "", false
}

func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// camelCase is a reserved name as the service writes it.
func camelCase(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}
