package campaign

import (
	"maps"
	"math"
	"net"
	"net/url"
	urlpath "path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What holds when the campaign file says nothing else.
const (
	defaultRegister    = ".cohort"
	defaultOverlapDays = 30
	defaultMaxInvalid  = 0.05
	defaultMessages    = 3_400_000
	defaultTimezone    = "Europe/London"
	defaultLastCall    = time.Minute
	defaultRefused     = 0.10
	defaultOf          = 2000
	defaultGiveUpAfter = 15 * time.Minute
	defaultMaxMessages = 45_000 // the service's limit
	defaultMaxBytes    = 5_000_000
	mostBytes          = 5_200_000 // the service's limit
	fewestBytes        = 10_000
	defaultSmoothing   = 10 * time.Second
)

var (
	nameForm = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	shaForm  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (l *loader) identity(c *Campaign, d *document) {
	c.Name, c.Profile, c.OnHalt = d.Campaign, Profile(d.Profile), d.OnHalt
	switch {
	case c.Name == "":
		l.wrong("campaign", "is missing; give the campaign a name, such as bowel-screening-invitation-2026-11-21")
	case !nameForm.MatchString(c.Name):
		l.wrong("campaign", "may hold a-z, 0-9 and hyphens, at most 64 of them")
	}
	if !slices.Contains([]Profile{AnyNumber, Test, Production}, c.Profile) {
		l.wrong("profile", "must be test or production")
	}
	registers := oneOrMore{defaultRegister}
	if d.Register != nil {
		registers = *d.Register
	}
	if len(registers) == 0 || slices.Contains(registers, "") {
		l.wrong("register", "must name a folder, or several in a list")
		return
	}
	c.Register = l.absolute(registers[0])
	for _, folder := range registers[1:] {
		folder = l.absolute(folder)
		if slices.Contains(c.Registers(), folder) {
			l.wrong("register", "names the folder %s twice", folder)
		}
		c.MoreRegisters = append(c.MoreRegisters, folder)
	}
	c.OverlapDays = defaultOverlapDays
	if d.OverlapDays != nil {
		if c.OverlapDays = *d.OverlapDays; c.OverlapDays < 1 {
			l.wrong("overlap_days", "must be a number of days, 1 or more")
		}
	}
	if len(c.OnHalt) > 0 && c.OnHalt[0] == "" {
		l.wrong("on_halt", "must start with a command")
	}
	if len(c.OnHalt) > 0 && strings.Contains(c.OnHalt[0], "/") { // a bare name is looked up in PATH
		c.OnHalt = append([]string{l.absolute(c.OnHalt[0])}, c.OnHalt[1:]...)
	}
}

func (l *loader) cohort(c *Campaign, s *cohortSection) {
	c.Cohort = Cohort{Required: s.Required, MaxInvalid: defaultMaxInvalid, Columns: map[string][]string{}}
	for _, field := range slices.Sorted(maps.Keys(s.Columns)) {
		headers := s.Columns[field]
		if len(headers) == 0 || slices.Contains(headers, "") {
			l.wrong("cohort.columns."+field, "must name the column's header, or a list of headers")
		}
		c.Cohort.Columns[field] = headers
	}
	l.rules(c, s)
	if s.MaxInvalid != nil {
		c.Cohort.MaxInvalid = l.percent("cohort.max_invalid", *s.MaxInvalid)
	}
	if s.Expect.Records != nil {
		if c.Cohort.Expect.Records = *s.Expect.Records; *s.Expect.Records <= 0 {
			l.wrong("cohort.expect.records", "must be a number above 0")
		}
	}
	c.Cohort.Expect.SHA256 = strings.ToLower(s.Expect.SHA256)
	if sum := c.Cohort.Expect.SHA256; sum != "" && !shaForm.MatchString(sum) {
		l.wrong("cohort.expect.sha256", "must be 64 hexadecimal digits")
	}
}

func (l *loader) personalisation(c *Campaign, d *document) {
	c.Personalisation = l.fields("personalisation", d.Personalisation)
	if d.ReservedNames != nil {
		c.ReservedNames = *d.ReservedNames
	}
	if l.lines["reserved_names"] != 0 && c.ReservedNames != checkedNames {
		l.wrong("reserved_names", "must be %s; leave it out where no name resembles a reserved one", checkedNames)
	}
	if d.Content.Literal != nil {
		c.Literal = *d.Content.Literal
	}
}

// fields reads the personalisation under a key.
func (l *loader) fields(key string, fields map[string]*string) (all []Personalisation) {
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		text := fields[field]
		if text == nil {
			l.wrong(key+"."+field, "must be a text, such as \"((given_name))\"")
			continue
		}
		all = append(all, Personalisation{Field: field, Text: *text})
	}
	return all
}

func (l *loader) limits(c *Campaign, d *document) {
	c.StopIf = StopIf{Refused: defaultRefused, Of: defaultOf}
	if d.StopIf != nil {
		if d.StopIf.Refused != nil {
			c.StopIf.Refused = l.percent("stop_if.refused", *d.StopIf.Refused)
		}
		if d.StopIf.Of != nil {
			if c.StopIf.Of = *d.StopIf.Of; c.StopIf.Of < 0 {
				l.wrong("stop_if.of", "must be a number of messages; 0 switches stop_if off")
			}
		}
	}
	c.GiveUpAfter = defaultGiveUpAfter
	if d.GiveUpAfter != nil {
		if c.GiveUpAfter = l.duration("give_up_after", *d.GiveUpAfter); c.GiveUpAfter <= 0 {
			l.wrong("give_up_after", "must be longer than 0, such as 15m")
		}
	}
}

// sink reads the one service that a campaign sends to.
func (l *loader) sink(c *Campaign, d *document) {
	notify, nhsapp, file := d.Sink.Notify, d.Sink.NHSApp, d.Sink.File
	switch {
	case notify != nil && nhsapp != nil, file != nil && (notify != nil || nhsapp != nil):
		l.wrong("sink", "names two services; a campaign sends to one")
	case nhsapp != nil:
		l.nhsapp(c, nhsapp, d.routed())
	case file != nil:
		l.files(c, file, d.Pace != nil)
	default:
		l.notify(c, notify, d.routed())
	}
}

// access reads what every service's section begins with.
func (l *loader) access(at string, s accessSection) Access {
	l.address(at+".base_url", s.BaseURL)
	l.address(at+".token_url", s.TokenURL)
	if (s.APIKeyFile == "") == (s.APIKeyEnv == "") {
		l.wrong(at, "needs api_key_file or api_key_env, and not both")
	}
	if s.KeyID == "" {
		l.wrong(at+".key_id", "is missing; it is the name under which the public key is registered")
	}
	if s.PrivateKeyFile == "" {
		l.wrong(at+".private_key_file", "is missing")
	}
	return Access{
		BaseURL: plainAddress(s.BaseURL), TokenURL: s.TokenURL,
		APIKeyFile: l.absolute(s.APIKeyFile), APIKeyEnv: s.APIKeyEnv, KeyID: s.KeyID, PrivateKeyFile: l.absolute(s.PrivateKeyFile), CAFile: l.absolute(s.CAFile),
	}
}

func (l *loader) notify(c *Campaign, s *notifySection, routed bool) {
	if s == nil {
		l.wrong("sink.notify", "is missing; it says which service to send to")
		return
	}
	n := Notify{
		Access: l.access("sink.notify", s.Access), ODSCode: s.ODSCode, Endpoint: Batches,
		Batch: Batch{MaxMessages: defaultMaxMessages, MaxBytes: defaultMaxBytes, Smoothing: defaultSmoothing},
	}
	l.routingPlan(&n, s, routed)
	if s.Endpoint != nil {
		if n.Endpoint = Endpoint(*s.Endpoint); n.Endpoint != Batches && n.Endpoint != Messages {
			l.wrong("sink.notify.endpoint", "must be batches or messages")
		}
	} else if l.lines["sink.notify.endpoint"] != 0 {
		l.wrong("sink.notify.endpoint", "must be batches or messages")
	}
	if n.Endpoint == Messages {
		n.Batch.MaxMessages = 1
		for _, key := range []string{"sink.notify.batch.max_messages", "sink.notify.batch.smoothing"} {
			if l.lines[key] != 0 {
				l.wrong(key, "has no meaning with endpoint: messages, whose requests hold one message each; take it out")
			}
		}
	}
	if m := s.Batch.MaxMessages; m != nil {
		if n.Batch.MaxMessages = *m; *m < 1 || *m > defaultMaxMessages {
			l.wrong("sink.notify.batch.max_messages", "must be between 1 and %d", defaultMaxMessages)
		}
	}
	if b := s.Batch.MaxBytes; b != nil {
		if n.Batch.MaxBytes = *b; *b < fewestBytes || *b > mostBytes {
			l.wrong("sink.notify.batch.max_bytes", "must be between %d and %d", fewestBytes, mostBytes)
		}
	}
	if d := s.Batch.Smoothing; d != nil {
		if n.Batch.Smoothing = l.duration("sink.notify.batch.smoothing", *d); n.Batch.Smoothing <= 0 {
			l.wrong("sink.notify.batch.smoothing", "must be longer than 0, such as 10s")
		}
	}
	n.BillingReference = l.text("sink.notify.billing_reference", s.BillingReference)
	n.Originator = l.text("sink.notify.originator", s.Originator)
	n.Contact = l.contact(s.ContactDetails)
	c.Notify = n
}

// address accepts https everywhere and plain http to this machine alone.
func (l *loader) address(key, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		l.wrong(key, "is missing")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.wrong(key, "must be an address such as https://int.api.service.nhs.uk/comms")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		l.wrong(key, "must start with https://; plain http is taken for this machine only")
	default:
		l.wrong(key, "must start with https://")
	}
}

// plainAddress gives the one spelling of an address by which a service is known:
// scheme and host in lower case, no default port, no slash at the end. Two spellings
// of one service must not be two services.
func plainAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		u.Host = strings.TrimSuffix(u.Host, port)
	}
	u.Host = strings.TrimSuffix(u.Host, ".")
	u.Path = strings.TrimRight(urlpath.Clean("/"+u.Path), "/")
	return u.String()
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (l *loader) duration(key, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		l.wrong(key, "must be a duration such as 90s or 15m, not %q", text)
	}
	return d
}

func (l *loader) percent(key, text string) float64 {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !isPercent || math.IsNaN(value) || value < 0 || value > 100 {
		l.wrong(key, "must be a percentage from 0%% to 100%%, such as 5%%, not %q", text)
	}
	return value / 100
}
