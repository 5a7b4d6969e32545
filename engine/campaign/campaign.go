package campaign

import (
	"cmp"
	"path/filepath"
	"strings"
	"time"
)

// Campaign is a checked campaign file with its defaults. It is read-only once loaded.
type Campaign struct {
	Name            string            // campaign: part of every identity
	Profile         Profile           // the range of NHS numbers that may be sent to
	Register        string            // absolute path of the folder that records every run
	MoreRegisters   []string          // absolute paths of its copies on other storage
	OverlapDays     int               // a message to the same person within these days may be the same again
	Cohort          Cohort            // how the cohort file is read
	Suppress        []List            // people who must not be sent to
	Personalisation []Personalisation // sorted by field name, as on the wire
	ReservedNames   string            // checked: names similar to a reserved one are allowed
	Literal         bool              // {{name}} and (name) are plain text, even if name is a column
	Routes          []Route           // each record takes the first that fits; none: there is one way for all
	Reach           *Reach            // the column with each person's GP practice; nil: not needed
	Pace            Pace              // how fast, and when
	StopIf          StopIf            // the share of refusals that halts a run
	GiveUpAfter     time.Duration     // the run ends after this time without any answer
	OnHalt          []string          // command run when the run halts; empty: none
	Notify          Notify            // the service, unless NHSApp or File is set
	NHSApp          *NHSApp           // the service if not nil
	File            *File             // the files to write in place of sending, if not nil
	Callbacks       *Callbacks        // what the receiver of callbacks trusts; nil: there is none
	KeepColumns     []string          // columns of the cohort that reports group people by
	Heading         Heading           // what people know the run by
	FollowUps       []FollowUp        // rules for later messages
	Path            string            // absolute path of the file it was read from

	lines   map[string]int    // the line of each key of the file
	renamed map[string]string // set by ByRoute: keys that the route replaces, and their replacements
}

// Registers are the folders that record every run.
func (c *Campaign) Registers() []string { return append([]string{c.Register}, c.MoreRegisters...) }

// Profile is the range of NHS numbers that a campaign may send to.
type Profile string

// The profiles. NHS numbers of test patients start with 9.
const (
	AnyNumber  Profile = ""           // both; a mixture gives a warning
	Test       Profile = "test"       // only numbers that start with 9
	Production Profile = "production" // only numbers that do not
)

// Numbers may allow NHS numbers that the profile refuses; empty: as the profile allows.
type Numbers string

// WhateverNumbers allows both ranges under either profile, with a warning.
const WhateverNumbers Numbers = "any"

// Cohort has the format of the cohort file and the rules for its records.
type Cohort struct {
	Columns    map[string][]string // the headers that a field may have
	Required   []string            // fields that may not be empty
	Types      map[string]string   // the type of a field: date, time, postcode, uk_mobile
	Duplicates Duplicates          // which record of a person counts
	Superseded string              // the column with the NHS number that replaces the record's; empty: none
	Withdrawn  Withdrawn           // records that withdraw their person
	Format     Format              // the format, as far as the content does not show it
	Multiline  []string            // columns of free text, which may have lines that look like records
	Checked    bool                // a person has checked that the file is in Format.Encoding
	Defaults   map[string]string   // the value of a field that is empty or blank
	Numbers    Numbers             // whether it overrides the profile
	MaxInvalid float64             // a larger share of invalid records, 0 to 1, refuses the file
	Expect     Expect              // the expected file
}

// Format is the format of a file. The content of the file decides what is left empty.
type Format struct {
	Type      string // csv, tsv, mesh, nbss, parquet, arrow; empty: by content
	Delimiter string // one character; empty: by content
	Encoding  string // utf-8, utf-16, windows-1252; empty: by content, but windows-1252 is never guessed
	Header    *bool  // nil: there is one
}

// List is a suppression list.
type List struct {
	File      string // absolute
	Reason    string // the reason code of its people, unless the list has one
	MayShrink bool   // the list may name far fewer people than when it was last applied
	Format    Format

	Unreadable int64 // this many rows may lack a readable number
}

// Duplicates decides which of several sendable records of one person counts.
type Duplicates struct {
	Rule     string // first, last or latest
	LatestBy string // with latest: the column that decides
}

// Withdrawn is the rule for records that withdraw their person. Column is empty without a rule.
type Withdrawn struct {
	Column string   `yaml:"column"`
	Values []string `yaml:"values"`
}

// Expect guards against a truncated or swapped cohort file.
type Expect struct {
	Records int64  // 0: not checked
	SHA256  string // lower-case hex; empty: not checked
}

// Personalisation is one field of the service's template and its text.
type Personalisation struct {
	Field string
	Text  string // with ((column)) placeholders
}

// Pace limits the rate and the times of sending.
type Pace struct {
	Messages  int64          // the capacity of one window, spread evenly; used only with a window
	Window    *Hours         // nil: any time of day
	Location  *time.Location // the time zone of the window
	PerSecond float64        // with a window the highest rate, without one the rate; 0: none
	Spread    bool           // with a window: spread the rest of the cohort over the rest of the window
	CatchUp   float64        // lost time may be made up at this multiple of the even rate; 1: never
	LastCall  time.Duration  // no request starts in this time before the window's end
	Until     time.Time      // nothing is sent from this time on; zero: no end
	Share     Share          // how the run shares its key's requests with other runs
	Quota     int            // requests a minute that the key has; 0: see Campaign.Quota
}

// Share is a run's part of the requests of a key, among the runs that name the same share. Name is empty without one.
type Share struct {
	Name   string
	Weight int
	Urgent bool // before the runs that are not
}

// Hours is a daily span of clock time in minutes after midnight. It runs over midnight if To is not after From.
type Hours struct{ From, To int }

// StopIf halts a run when the service refused the content of more than Refused of the last Of
// settled messages. Of = 0 switches it off.
type StopIf struct {
	Refused float64
	Of      int
}

// Access is the address of a service and the keys to sign in.
type Access struct {
	BaseURL           string   `yaml:"base_url"`
	TokenURL          string   `yaml:"token_url"`
	APIKeyFile        string   `yaml:"api_key_file"` // absolute, or below $CREDENTIALS_DIRECTORY; empty: another place is named
	APIKeyEnv         string   `yaml:"api_key_env"`
	APIKeyCommand     []string `yaml:"api_key_command"` // it prints the key
	KeyID             string   `yaml:"key_id"`
	PrivateKeyFile    string   `yaml:"private_key_file"`    // as APIKeyFile
	PrivateKeyCommand []string `yaml:"private_key_command"` // it prints the key
	CAFile            string   `yaml:"ca_file"`             // as APIKeyFile; empty: the system's certificates
}

// Notify is the NHS Notify sink's part of the campaign file.
type Notify struct {
	Access
	RoutingPlan   string // the name of a free-text plan; empty: the campaign names an id
	RoutingPlanID string
	ODSCode       string // empty: the account's default
	Endpoint      Endpoint
	Batch         Batch

	// Texts with ((column)) placeholders. An empty text is not sent. A text that is blank for a
	// record is left out of its message.
	BillingReference string
	Originator       string // the ODS code of the sender; blank: ODSCode
	Contact          Contact
}

// Access returns the access of the campaign's service. It is empty for files.
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

// Endpoint is the way of handing over messages.
type Endpoint string

// The endpoints. The service remembers the messages of each separately.
const (
	Batches  Endpoint = "batches"  // many in a request, remembered by the batch's reference
	Messages Endpoint = "messages" // one in a request, remembered by its own reference
)

// Batch limits one request.
type Batch struct {
	MaxMessages int
	MaxBytes    int
	Smoothing   time.Duration // one batch has at most the messages of this time at the even rate
}

// EvenRate is the rate for packing batches, in messages a second: the capacity of the window over its nominal length,
// or PerSecond without a window. 0 means no rate. It ignores clock changes, so that a plan does not depend on its day.
func (p Pace) EvenRate() float64 {
	rate := p.PerSecond
	if p.Window != nil {
		even := float64(p.Messages) / (float64(p.Window.nominalMinutes()) * 60)
		rate = min(cmp.Or(rate, even), even)
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

// ServiceID names the service of a campaign, for identities and the register. With simulate it
// is the embedded simulator.
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
