package plan

import "cohort/ingest/person"

// Listed is one record of a person on a suppression list.
type Listed struct {
	Lane     person.Lane
	Position uint32
	Code     string // reason code
}

// Overtaken begins the codes of people of a follow-up who were due when it was planned, and are due no more.
const Overtaken = "overtaken_"

// ListRead describes one suppression list as it was read, without personal data.
type ListRead struct {
	File   string `json:"file"`
	Format string `json:"format,omitempty"` // as the campaign says; empty: found from its content
	Reason string `json:"reason,omitempty"` // for its people, if the list has none
	SHA256 string `json:"sha256"`
	People int64  `json:"people"` // different NHS numbers; by rules older than 2, rows with one

	Unreadable int64 `json:"unreadable,omitempty"` // rows with something else in place of a number
	Rules      int   `json:"rules,omitempty"`      // version of the rules for reading numbers; 0: unreadable rows were not counted
}
