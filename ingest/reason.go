package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// verdict is the outcome of a record: sendable, or the index of the reason why it is invalid.
type verdict int

const sendable verdict = -1

// The verdicts that do not depend on the options. Behind them come, in this order: one for
// each required field, two for each typed field, one for the order, one for each of the
// service's limits, one for records without a route, and one for each field of a route.
const (
	fewer verdict = iota
	more
	noUTF8
	noUTF16
	noWindows1252
	noText
	otherRange
	badSuccessor
	inCircle
	inFork
	shortAddress
	brokenAddress
	controls
	lostText
	lostRow
	severalNumbers
	strayNumber
	firstNumber // one for each of numberErrors
)

var numberErrors = []error{
	person.ErrNumberMissing,
	person.ErrNumberLength,
	person.ErrNumberDigits,
	person.ErrNumberCheck,
	person.ErrNumberRepeated,
	person.ErrNumberNegative,
	person.ErrNumberShortened,
	person.ErrNumberFraction,
}

var firstRequired = firstNumber + verdict(len(numberErrors))

// Reason counts the records that are invalid for one reason.
type Reason struct {
	Code  string  // one of person's codes
	Words string  // without personal data
	Count int64   // records
	Lines []int64 // 1-based lines of the first records, at most 5
	Files []int   // the indices of the files of those lines
}

// reasons lists the reason of each verdict, without counts.
func reasons(o Options) []Reason {
	all := []Reason{
		fewer:         {Code: person.CodeWrongColumns, Words: "fewer values than " + model(o) + " has"},
		more:          {Code: person.CodeWrongColumns, Words: "more values than " + model(o) + " has"},
		noUTF8:        {Code: person.CodeBadEncoding, Words: "the record holds bytes that are not UTF-8"},
		noUTF16:       {Code: person.CodeBadEncoding, Words: "the record holds half a UTF-16 character"},
		noWindows1252: {Code: person.CodeBadEncoding, Words: "the record holds bytes that are not Windows-1252"},
		noText:        {Code: person.CodeBadEncoding, Words: "the record holds a NUL byte"},
		otherRange:    {Code: person.CodeTestNumber, Words: o.Only.words()},
		badSuccessor:  {Code: person.CodeBadNumber, Words: "the number that superseded the NHS number is not valid"},
		inCircle:      {Code: person.CodeSupersedeCycle, Words: "the NHS number was superseded by others that lead back to it or to each other"},
		inFork:        {Code: person.CodeSupersedeFork, Words: "the NHS number, or one that superseded it, was superseded by two different ones"},
		shortAddress:  {Code: person.CodeShortAddress, Words: fmt.Sprintf("fewer than %d address lines are filled in", o.Address.Least)},
		brokenAddress: {Code: person.CodeBrokenAddress, Words: "an address line holds a line break or another control character"},
		controls:      {Code: person.CodeControl, Words: "a value for the message holds a control character, or an invisible one that changes the text around it"},
		lostText:      {Code: person.CodeBadEncoding, Words: "a value for the message holds U+FFFD, the sign of a character that an earlier program lost"},
		lostRow:       {Code: person.CodeBadNumber, Words: "the row holds NUL bytes or other control characters, and may have held an NHS number"},

		severalNumbers: {Code: person.CodeWrongColumns, Words: "the row has too few or too many values and more than one NHS number: a line end may be lost"},
		strayNumber:    {Code: person.CodeBadNumber, Words: "the NHS number is empty, and another column holds one"},
	}
	for _, err := range numberErrors {
		all = append(all, Reason{Code: person.CodeBadNumber, Words: err.Error()})
	}
	for _, field := range o.Required {
		all = append(all, Reason{Code: person.CodeEmptyRequired, Words: "the required field " + strconv.Quote(field) + " is empty"})
	}
	for _, field := range sortedKeys(o.Types) {
		words := "the field " + strconv.Quote(field) + " is not " + o.Types[field].Words()
		all = append(all, Reason{Code: person.CodeBadType, Words: words}, Reason{Code: person.CodeBadType, Words: words + " alone, but a date with a time of day"})
	}
	all = append(all, Reason{Code: person.CodeBadType, Words: "the field " + strconv.Quote(o.LatestBy) + " is not a whole number, or not a date or time, as the records before it have it"})
	for _, limit := range o.Limits {
		all = append(all, Reason{Code: limit.Code, Words: limit.Words})
	}
	return append(all, routeReasons(o.Routes)...)
}

// model names the record that decides how many values a record has.
func model(o Options) string {
	if o.Format.Headed() {
		return "the header"
	}
	return "the first record"
}

// hint follows a reason that the campaign file may remove.
const hint = " (if the file is written in Windows-1252, set cohort.format.encoding: windows-1252)"

// numberVerdict finds the verdict for an error of person.ParseNHSNumber.
func numberVerdict(err error) verdict {
	for i, known := range numberErrors {
		if errors.Is(err, known) {
			return firstNumber + verdict(i)
		}
	}
	panic("ingest: an NHS number refused for an unknown reason: " + err.Error())
}

// maxLines is the most lines that a reason lists.
const maxLines = 5

func (t *Reason) add(file uint16, line int64) {
	t.Count++
	if len(t.Lines) < maxLines {
		t.Lines = append(t.Lines, line)
		t.Files = append(t.Files, int(file))
	}
}

// ranked returns the reasons that occurred, most frequent first.
func ranked(all []Reason) []Reason {
	var seen []Reason
	for v, t := range all {
		if t.Count > 0 {
			t.Lines, t.Files = slices.Clone(t.Lines), slices.Clone(t.Files)
			if verdict(v) == noUTF8 {
				t.Words += hint
			}
			seen = append(seen, t)
		}
	}
	slices.SortStableFunc(seen, func(a, b Reason) int { return cmp.Compare(b.Count, a.Count) })
	return seen
}

// Summary is the account of a cohort: Records is Sendable plus Invalid, and Invalid
// is the sum of the reasons' counts.
type Summary struct {
	Records    int64    // records in all files, headers not counted
	Sendable   int64    // with duplicates, which ingest does not detect
	Test       int64    // sendable records of test patients
	Nearly     int64    // sendable records with one of Withdrawn.Values in the wrong case
	Invalid    int64    // records that cannot be sent
	BlankLines int64    // lines without a value, which are not records
	Bytes      int64    // bytes read, as they stand in the files
	Reasons    []Reason // most frequent first
	Notes      []string // the files, and lines of files, that are left out
}

// Range restricts the NHS numbers that may be sent to. Numbers that start with 9 belong to test
// patients: they were never issued.
type Range int

// The ranges.
const (
	AnyNumber   Range = iota
	TestNumbers       // only those that start with 9
	RealNumbers       // only those that do not
)

func (r Range) words() string {
	if r == TestNumbers {
		return "the NHS number is not a test patient's, and the campaign's profile is test"
	}
	return "the NHS number is a test patient's, and the campaign's profile is production"
}

// holds reports whether a number may be sent to.
func (r Range) holds(n person.NHSNumber) bool {
	return r == AnyNumber || (r == TestNumbers) == n.IsTest()
}

// garbled is the verdict on bytes that are not text in a file's encoding.
func garbled(f format.Format) verdict {
	switch f.Encoding {
	case format.UTF16LE, format.UTF16BE:
		return noUTF16
	case format.Windows1252:
		return noWindows1252
	}
	return noUTF8
}
