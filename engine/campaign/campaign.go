package campaign

import (
	"cmp"
	"path/filepath"
	"strings"
	"time"
)

// Campaign is a campaign file after its defaults are filled in and its values
// checked. It is read-only once loaded.
type Campaign struct {
	Name            string            // campaign: part of every identity
	Profile         Profile           // which number range may be sent to
	Register        string            // absolute path of the folder that knows every run
	MoreRegisters   []string          // further ones, absolute, that are kept beside it on other storage
	OverlapDays     int               // for how many days a message to the same person counts as the same again
	Cohort          Cohort            // how the cohort file is read
	Suppress        []List            // who must not be sent to
	Personalisation []Personalisation // sorted by field name, the order they have on the wire
	ReservedNames   string            // checked: names are allowed that only resemble one that NHS Notify reserves
	Literal         bool              // {{name}} and (name) are words, also where name is a column
	Routes          []Route           // by which of them each record's message goes; none: all go the same way
	Reach           *Reach            // where the cohort tells each person's GP practice; nil: it need not
	Pace            Pace              // how fast, and when
	StopIf          StopIf            // the share of refusals that halts a run
	GiveUpAfter     time.Duration     // how long without any answer before the run ends
	OnHalt          []string          // command run when the run halts; empty: none
	Notify          Notify            // the service, unless NHSApp or File is
	NHSApp          *NHSApp           // the service; nil: it is not the NHS App
	File            *File             // what is written in place of sending to a service; nil: nothing
	Path            string            // absolute path of the file it was read from

	lines   map[string]int    // of each key of the file
	renamed map[string]string // of a campaign of ByRoute: keys for which it has the route's own
}

// Registers are the folders that know every run.
func (c *Campaign) Registers() []string { return append([]string{c.Register}, c.MoreRegisters...) }

// Profile says which NHS numbers a campaign may send to.
type Profile string

// The profiles. NHS numbers that start with 9 are test patients'.
const (
	AnyNumber  Profile = ""           // both; a mixture is warned about
	Test       Profile = "test"       // only numbers that start with 9
	Production Profile = "production" // only numbers that do not
)

// Numbers says whether NHS numbers are taken that the profile would refuse.
type Numbers string

// The values of cohort.numbers.
const (
	ProfileNumbers  Numbers = ""    // what the profile says
	WhateverNumbers Numbers = "any" // both ranges under either profile, with a warning
)

// Cohort says how the cohort file is read and what it must hold.
type Cohort struct {
	Columns    map[string][]string // field to the headers it may stand under
	Required   []string            // fields that may not be empty
	Types      map[string]string   // field to the type of its values: date, time, postcode, uk_mobile
	Duplicates Duplicates          // which of a person's records counts
	Superseded string              // the column with the number that superseded the record's; empty: none
	Withdrawn  Withdrawn           // which records say that the person is not to be invited
	Format     Format              // what the file is, where it is not told by its content
	Multiline  []string            // columns whose values may hold lines that would be records by themselves
	Checked    bool                // the file is in Format.Encoding, whatever it looks like
	Defaults   map[string]string   // what a field is when it is empty or white space
	Numbers    Numbers             // whether the profile is overridden
	MaxInvalid float64             // share of invalid records, 0 to 1, above which the file is refused
	Expect     Expect              // what the file must be
}

// Format says what a cohort file is. What is left out is told by the file's content.
type Format struct {
	Type      string // csv, nbss, parquet, arrow; empty: told by content
	Delimiter string // one character; empty: told by content
	Encoding  string // utf-8, utf-16, windows-1252; empty: told by content, and never guessed to be windows-1252
	Header    *bool  // nil: there is one
}

// List is a suppression list.
type List struct {
	File      string // absolute
	Reason    string // the reason code of its people, where the list itself gives none
	MayShrink bool   // it is right that the list names far fewer people than when it was applied last
	Format    Format

	Unreadable int64 // rows without a readable number that are tolerated
}

// Duplicates says which of several sendable records of one person counts.
type Duplicates struct {
	Rule     string // first, last or latest
	LatestBy string // with latest: the column that decides
}

// Withdrawn says which records withdraw their person from the cohort. Column is empty
// when there is no such rule.
type Withdrawn struct {
	Column string
	Values []string
}

// Expect guards against a truncated or swapped cohort file.
type Expect struct {
	Records int64  // 0: not checked
	SHA256  string // lower-case hex; empty: not checked
}

// Personalisation is one field of the service's template and the text that fills it.
type Personalisation struct {
	Field string
	Text  string // with ((column)) placeholders
}

// Pace says how fast a run may send and when.
type Pace struct {
	Messages  int64          // capacity of one window, spent evenly; used only with a window
	Window    *Hours         // nil: any time of day
	Location  *time.Location // where the window's clock hangs
	PerSecond float64        // with a window a ceiling, without one the rate; 0: none
	Spread    bool           // with a window: what is left of the cohort over what is left of the window
	CatchUp   float64        // how many times the even rate lost time may be made up at; 1: it is not
	LastCall  time.Duration  // no request starts this close to the window's end
	Until     time.Time      // the first instant at which nothing is sent any more; zero: no end
}

// Hours is a daily span of wall-clock time in minutes after midnight. When To is not
// after From the span runs over midnight.
type Hours struct{ From, To int }

// StopIf halts a run when more than Refused of the last Of settled messages were
// refused by their content. Of = 0 switches it off.
type StopIf struct {
	Refused float64
	Of      int
}

// Access says where a service is and as whom to sign in to it.
type Access struct {
	BaseURL        string
	TokenURL       string
	APIKeyFile     string // absolute; empty when APIKeyEnv is used
	APIKeyEnv      string
	KeyID          string
	PrivateKeyFile string // absolute
	CAFile         string // absolute; empty: the system's certificates
}

// Notify is the NHS Notify sink's part of the campaign file.
type Notify struct {
	Access
	RoutingPlan   string // the name of a plan that the service has for everybody; empty: the campaign names an id
	RoutingPlanID string
	ODSCode       string // empty: the account's default
	Endpoint      Endpoint
	Batch         Batch

	// Texts with ((column)) placeholders; an empty one is not sent, and one that is blank
	// for a record is left out of its message.
	BillingReference string
	Originator       string // the ODS code of the record's sender; blank: ODSCode
	Contact          Contact
}

// Access is that of the campaign's service, whichever it is; that of a file is empty.
func (c *Campaign) Access() *Access {
	if c.NHSApp != nil {
		return &c.NHSApp.Access
	}
	return &c.Notify.Access
}

// SecretVariables names the environment variables that hold the campaign's secrets.
func (c *Campaign) SecretVariables() []string {
	if name := c.Access().APIKeyEnv; name != "" {
		return []string{name}
	}
	return nil
}

// Endpoint says how messages are handed over.
type Endpoint string

// The endpoints. The service remembers what it has had of either apart from the other.
const (
	Batches  Endpoint = "batches"  // many in a request, remembered by the batch's reference
	Messages Endpoint = "messages" // each by itself, remembered by its own reference
)

// Batch limits what one request holds.
type Batch struct {
	MaxMessages int
	MaxBytes    int
	Smoothing   time.Duration // at most this much of the even rate in one batch
}

// EvenRate is the rate in messages a second that the packing of batches goes by: the
// window's capacity over its nominal length, or PerSecond without a window. 0 means
// that there is none. It ignores clock changes, so that a plan does not depend on
// the day it was made.
func (p Pace) EvenRate() float64 {
	rate := p.PerSecond
	if p.Window != nil {
		even := float64(p.Messages) / (float64(p.Window.nominalMinutes()) * 60)
		if rate == 0 || even < rate {
			rate = even
		}
	}
	return rate
}

func (h Hours) nominalMinutes() int {
	if h.To > h.From {
		return h.To - h.From
	}
	return h.To + 24*60 - h.From
}

// Mistake makes an error about the value of a key, for mistakes that only other packages can
// find. problem follows the key, as in "is not a date". An item of a list has its list's line.
func (c *Campaign) Mistake(key, problem string) *FileError {
	key = c.Key(key)
	list, _, _ := strings.Cut(key, "[")
	return &FileError{File: filepath.Base(c.Path), Line: cmp.Or(c.lines[key], c.lines[list]), Problem: key + " " + problem}
}

// Warnings names settings that are allowed and seldom meant.
func (c *Campaign) Warnings() (all []string) {
	for key, off := range map[string]bool{"stop_if.of": c.StopIf.Of == 0, "stop_if.refused": c.StopIf.Of > 0 && c.StopIf.Refused == 1} {
		if off {
			all = append(all, c.Mistake(key, "switches stop_if off: the run goes on however many messages are refused").Error())
		}
	}
	return all
}

// ServiceID names the service a campaign sends to, for identities and the register.
// With simulate it is the embedded simulator whatever the file says.
func (c *Campaign) ServiceID(simulate bool) string {
	kind := "notify "
	switch {
	case c.NHSApp != nil:
		kind = "nhsapp "
	case c.File != nil && !simulate:
		return c.File.kind()
	case c.File != nil:
		kind = c.File.kind() + " "
	}
	if simulate {
		return kind + "simulator"
	}
	return kind + c.Access().BaseURL
}
