package person

// Recipient is one sendable record of a cohort, as the engine sees it.
type Recipient struct {
	Row      int64     // 1-based data record over all files of the cohort
	Number   NHSNumber // whom the message is for
	Position uint32    // place within its shard, 0-based, counted over the shard's sendable records
	// Suppressed says that the person must not be sent to. Such a recipient counts when
	// batches are cut, so that a changed list does not move their boundaries.
	Suppressed bool
	Fields     []string // the columns the campaign asked for, in the schema's order
	Route      uint8    // of the campaign, by which the message goes; 0 where there is one
}

// Record is one record of a cohort file as the spool holds it, whatever its fate.
type Record struct {
	Row, Line int64
	File      int    // 0-based index of the cohort's files
	Reference string // the file's own message reference; empty when it brings none
	Number    string // ten digits when valid, else as found; empty when nothing was
	Fate      Fate   // invalid, duplicate or suppressed; empty for one to send to
	Code      string // why
	Reason    string // why, in words
	Shard     int    // -1 for an invalid record
	Lane      Lane
	Position  uint32 // in the shard
}

// Lane is the number of a lane: the records of one shard that go by one route. With one route, lanes are shards.
type Lane int

// LaneOf returns the lane of a shard's route. Routes is the number of routes; 0 counts as 1.
func LaneOf(shard, routes int, route uint8) Lane { return Lane(shard*max(1, routes) + int(route)) }

// Fate is what became of one record of the cohort file. The names are the report's.
type Fate string

// The seven fates. Every record of the file has exactly one; at the end of a run
// they add up to the number of records.
const (
	Accepted   Fate = "accepted"   // the service took the message
	Refused    Fate = "refused"    // the service looked at the message and will not have it
	Invalid    Fate = "invalid"    // the record cannot be sent
	Duplicate  Fate = "duplicate"  // another sendable record of the same person was chosen
	Suppressed Fate = "suppressed" // the person must not be sent to
	InDoubt    Fate = "in_doubt"   // it may have been accepted and nobody can say so yet
	NotSent    Fate = "not_sent"   // nothing was attempted, or every attempt was certainly not accepted
)

// Fates lists the fates in the order in which an account prints them.
var Fates = []Fate{Accepted, Refused, Invalid, Duplicate, Suppressed, InDoubt, NotSent}

// The reason codes of records that never reach a service (contract: NHS numbers,
// cohort files and send rules, section 4, widened by what a file can get wrong).
const (
	CodeBadNumber      = "bad_number"         // no valid NHS number
	CodeWrongColumns   = "wrong_columns"      // more or fewer values than the header has
	CodeBadEncoding    = "bad_encoding"       // bytes that are no UTF-8
	CodeEmptyRequired  = "empty_required"     // a column that the campaign requires is empty
	CodeBadType        = "bad_type"           // a value is not of the type that the campaign gives its column
	CodeBadContact     = "bad_contact"        // the contact details are not what the service takes
	CodeBadODSCode     = "bad_ods_code"       // the sender is no ODS code
	CodeTooLong        = "too_long"           // a text is longer than its channel takes, or a message than a request
	CodeLongMessage    = "message_too_long"   // the NHS App takes no message of that length
	CodeMarkup         = "message_has_markup" // the NHS App takes none with what may be HTML; and a value is text, not Markdown
	CodeEmptyMessage   = "message_empty"      // there is nothing to read in it
	CodeShortAddress   = "short_address"      // too few lines of a postal address are filled in
	CodeBrokenAddress  = "broken_address"     // a line of it holds a line break
	CodeSupersedeCycle = "superseded_cycle"   // the numbers that supersede each other go round in a circle
	CodeSupersedeFork  = "superseded_twice"   // a number was superseded by two different ones
	CodeWithdrawn      = "withdrawn"          // the winning record says that the person is not to be invited
	CodeDuplicate      = "duplicate"          // a second sendable record of the person
	CodeTestNumber     = "test_number"        // a 9-range number under profile production, or another under profile test
	CodeAlreadySent    = "already_sent"       // accepted in an earlier run of the campaign
	CodeInDoubtBefore  = "in_doubt_elsewhere" // in doubt in an earlier run of the campaign
	CodeReplaced       = "number_replaced"    // an earlier file says that the number was replaced, and the cohort has the newer one too
	CodeNoRoute        = "no_route"           // none of the campaign's routes takes the record
)

// Limit is what a service asks of every record, over what the cohort's own rules ask.
// Whose record does not keep to it is invalid.
type Limit struct {
	Code  string                     // one of the above
	Words string                     // why a record is invalid that does not keep to it, without personal data
	Keeps func(fields []string) bool // of a record, in the schema's order; safe for concurrent use
	Route int                        // whose records it is asked of, counted from 1; 0: of every record
	Least int                        // a record whose fields have fewer bytes than that, all together, keeps to it and need not be asked
}

// IsOf reports whether it is asked of records that go by a route.
func (l *Limit) IsOf(route uint8) bool { return l.Route == 0 || l.Route == int(route)+1 }

// The columns of the Arrow record batches that ingest yields and shard takes.
// Behind them come the campaign's fields, one UTF-8 column each, never null for a
// sendable record.
//
//	row        int64   never null   1-based data record over all files
//	file       uint16  never null   0-based index of the cohort's files
//	line       int64   never null   1-based line (or record, where a format has no lines) where it starts
//	number     uint64  null when the record is invalid
//	found      utf8    null unless invalid: the number as it stood, U+FFFD for undecodable bytes
//	code       utf8    null unless invalid: the reason code
//	reason     utf8    null unless invalid: the reason in words, without personal data
//	reference  utf8    null unless the file brings its own message references
//	order      int64   never null   what the latest record of a person is chosen by; 0 without such a rule
//	withdrawn  bool    never null   the record says that the person is not to be invited
//	route      uint8   never null   by which of the campaign's routes the message goes; 0 where there is one
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
