package shard

import "fmt"

// Rule chooses the one of a person's sendable records that counts. The others are duplicates.
type Rule uint8

// The rules.
const (
	First  Rule = iota // the first in the order of the cohort
	Last               // the last
	Latest             // the one with the highest order; of equals the last
)

var ruleNames = [...]string{First: "first", Last: "last", Latest: "latest"}

// ruleWords explains a duplicate under each rule.
var ruleWords = [...]string{
	First:  "an earlier record of the file is the same person",
	Last:   "a later record of the file is the same person",
	Latest: "another record of the file is the same person, and more recent, or as recent and later in the file",
}

func (r Rule) known() bool { return int(r) < len(ruleNames) }

// String is the rule's name in the manifest.
func (r Rule) String() string {
	if !r.known() {
		return fmt.Sprintf("rule %d", uint8(r))
	}
	return ruleNames[r]
}

// MarshalText implements encoding.TextMarshaler.
func (r Rule) MarshalText() ([]byte, error) {
	if !r.known() {
		return nil, fmt.Errorf("there is no %s for duplicates", r)
	}
	return []byte(r.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rule) UnmarshalText(text []byte) error {
	for i, name := range ruleNames {
		if name == string(text) {
			*r = Rule(i)
			return nil
		}
	}
	return fmt.Errorf("there is no rule %q for duplicates", text)
}
