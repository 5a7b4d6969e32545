package person

import "slices"

// Recipient is one sendable record of a cohort, as the engine sees it.
type Recipient struct {
	Row      int64     // 1-based data record over all files of the cohort
	Number   NHSNumber // the person's
	Position uint32    // 0-based place among the sendable records of its shard
	// Suppressed says that nothing may be sent to the person. Such a recipient counts when
	// batches are cut, so that a changed list does not move their boundaries.
	Suppressed bool
	Fields     []string // the campaign's columns, in the schema's order
	Route      uint8    // the campaign's route for the message; 0 when there is one route
}

// Record is one record of a cohort file as the spool holds it, with any fate.
type Record struct {
	Row, Line int64
	File      int    // 0-based index of the cohort's files
	Reference string // the file's own message reference; may be empty
	Number    string // ten digits when valid, else as the file has it
	Fate      Fate   // invalid, duplicate or suppressed; empty for a record to send
	Code      string // the reason code of the fate
	Reason    string // the reason in words
	Shard     int    // -1 for an invalid record
	Lane      Lane
	Position  uint32 // in the shard
}

// Lane is the number of a lane: the records of one shard that go by one route. With one route, lanes are shards.
type Lane int

// LaneOf returns the lane of a shard's route. Routes is the number of routes; 0 counts as 1.
func LaneOf(shard, routes int, route uint8) Lane { return Lane(shard*max(1, routes) + int(route)) }

// Fate is the outcome of one record of the cohort file. The names are the report's.
type Fate string

// The seven fates. Every record of the file has exactly one. At the end of a run they add up
// to the number of records.
const (
	Accepted   Fate = "accepted"   // the service accepted the message
	Refused    Fate = "refused"    // the service refused the message
	Invalid    Fate = "invalid"    // the record cannot be sent
	Duplicate  Fate = "duplicate"  // another sendable record of the same person was chosen
	Suppressed Fate = "suppressed" // nothing may be sent to the person
	InDoubt    Fate = "in_doubt"   // the service may have accepted the message; nobody knows yet
	NotSent    Fate = "not_sent"   // nothing was attempted, or every attempt certainly failed
)

// Fates lists the fates in the order of an account.
var Fates = []Fate{Accepted, Refused, Invalid, Duplicate, Suppressed, InDoubt, NotSent}

// The reason codes of records that never reach a service (contract: NHS numbers, cohort files
// and send rules, section 4, and the faults of files).
const (
	CodeBadNumber      = "bad_number"         // no valid NHS number
	CodeWrongColumns   = "wrong_columns"      // more or fewer values than the header has
	CodeBadEncoding    = "bad_encoding"       // bytes that are not UTF-8
	CodeEmptyRequired  = "empty_required"     // a column that the campaign requires is empty
	CodeBadType        = "bad_type"           // a value is not of the campaign's type for its column
	CodeBadContact     = "bad_contact"        // the service does not take such contact details
	CodeBadODSCode     = "bad_ods_code"       // the sender is not an ODS code
	CodeTooLong        = "too_long"           // a text is too long for its channel, or a message for a request
	CodeLongMessage    = "message_too_long"   // the message is too long for the NHS App
	CodeMarkup         = "message_has_markup" // the message may hold HTML, which the NHS App refuses; or a value holds Markdown
	CodeEmptyMessage   = "message_empty"      // the message has no visible text
	CodeShortAddress   = "short_address"      // too few lines of a postal address are filled in
	CodeBrokenAddress  = "broken_address"     // a line of a postal address holds a line break
	CodeSupersedeCycle = "superseded_cycle"   // the numbers supersede each other in a circle
	CodeSupersedeFork  = "superseded_twice"   // a number was superseded by two different ones
	CodeWithdrawn      = "withdrawn"          // the person's record asks not to invite them
	CodeDuplicate      = "duplicate"          // another sendable record of the person
	CodeTestNumber     = "test_number"        // a number from 9 on under profile production, or another under profile test
	CodeAlreadySent    = "already_sent"       // accepted in an earlier run of the campaign
	CodeInDoubtBefore  = "in_doubt_elsewhere" // in doubt in an earlier run of the campaign
	CodeReplaced       = "number_replaced"    // an earlier file replaced the number, and the cohort has the newer one too
	CodeNoRoute        = "no_route"           // none of the campaign's routes takes the record
)

// Limit is a service's demand on every record, beside the cohort's own rules. A record that
// does not meet it is invalid.
type Limit struct {
	Code  string                     // one of the above
	Words string                     // the reason of such a record, without personal data
	Keeps func(fields []string) bool // reports whether a record meets it; fields are in the schema's order; safe for concurrent use
	Route int                        // it holds for this route, counted from 1; 0: for every record
	Least int                        // records with fewer bytes in all fields meet it, and Keeps need not be called
}

// IsOf reports whether the limit holds for records of a route.
func (l *Limit) IsOf(route uint8) bool { return l.Route == 0 || l.Route == int(route)+1 }

// The columns of the Arrow record batches that ingest yields and shard takes. Behind them come
// those of Texts, one UTF-8 column each, never null for a sendable record.
//
//	row        int64   never null   1-based data record over all files
//	file       uint16  never null   0-based index of the cohort's files
//	line       int64   never null   1-based line (or record, where a format has no lines) where it starts
//	number     uint64  null when the record is invalid
//	found      utf8    null unless invalid: the number as it stood, U+FFFD for undecodable bytes
//	code       utf8    null unless invalid: the reason code
//	reason     utf8    null unless invalid: the reason in words, without personal data
//	reference  utf8    null unless the file brings its own message references
//	order      int64   never null   the latest record of a person has the highest; 0 without such a rule
//	withdrawn  bool    never null   the record asks not to invite the person
//	route      uint8   never null   the campaign's route for the message; 0 when there is one route
const (
	ColumnRow = iota
	ColumnFile
	ColumnLine
	ColumnNumber
	ColumnFound
	ColumnCode
	ColumnReason
	ColumnReference
	ColumnOrder
	ColumnWithdrawn
	ColumnRoute
	FirstField // index of the first of the campaign's fields
)

// Texts are the columns of texts of a record: the fields of the campaign, and the columns to keep that are no fields.
func Texts(fields, keep []string) []string {
	all := slices.Clip(fields)
	for _, column := range keep {
		if !slices.Contains(fields, column) {
			all = append(all, column)
		}
	}
	return all
}
