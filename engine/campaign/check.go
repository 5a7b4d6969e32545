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
		l.wrong("campaign", "may have only a-z, 0-9 and hyphens, at most 64 of them; it is %.70q", c.Name)
	}
	l.oneOf("profile", d.Profile, string(Test), string(Production))
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
	within(l, "overlap_days", &c.OverlapDays, d.OverlapDays, 1, math.MaxInt, "")
	if len(c.OnHalt) > 0 {
		c.OnHalt = l.command("on_halt", c.OnHalt)
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
	within(l, "cohort.expect.records", &c.Cohort.Expect.Records, s.Expect.Records, 1, math.MaxInt64, "")
	c.Cohort.Expect.SHA256 = strings.ToLower(s.Expect.SHA256)
	if sum := c.Cohort.Expect.SHA256; sum != "" && !shaForm.MatchString(sum) {
		l.wrong("cohort.expect.sha256", "must be 64 hexadecimal digits, not %q", sum)
	}
}

func (l *loader) personalisation(c *Campaign, d *document) {
	c.Personalisation = l.fields("personalisation", d.Personalisation)
	set(&c.ReservedNames, d.ReservedNames)
	if l.has("reserved_names") && c.ReservedNames != checkedNames {
		l.wrong("reserved_names", "must be %s; leave it out if no name resembles a reserved one", checkedNames)
	}
	set(&c.Literal, d.Content.Literal)
}

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
	if d.StopIf.Refused != nil {
		c.StopIf.Refused = l.percent("stop_if.refused", *d.StopIf.Refused)
	}
	within(l, "stop_if.of", &c.StopIf.Of, d.StopIf.Of, 0, math.MaxInt, " messages; 0 switches stop_if off")
	c.GiveUpAfter = defaultGiveUpAfter
	l.duration("give_up_after", &c.GiveUpAfter, d.GiveUpAfter, time.Nanosecond)
}

// set replaces a default by the value of the file, if it has one.
func set[T any](value, found *T) {
	if found != nil {
		*value = *found
	}
}

// within is set for a number that must be between least and most. hint follows the bounds.
func within[T int | int64 | float64](l *loader, key string, value, found *T, least, most T, hint string) {
	set(value, found)
	switch {
	case found == nil || *found >= least && *found <= most:
	case float64(most) >= math.MaxInt64:
		l.wrong(key, "must be at least %v%s; it is %v", least, hint, *found)
	default:
		l.wrong(key, "must be between %v and %v%s; it is %v", least, most, hint, *found)
	}
}

func (l *loader) sink(c *Campaign, d *document) {
	notify, nhsapp, file := d.Sink.Notify, d.Sink.NHSApp, d.Sink.File
	switch {
	case notify != nil && nhsapp != nil, file != nil && (notify != nil || nhsapp != nil):
		l.wrong("sink", "names two services, but a campaign sends to one; keep one of them")
	case nhsapp != nil:
		l.nhsapp(c, nhsapp, d.routed())
	case file != nil:
		l.files(c, file, d.Pace != nil)
	default:
		l.notify(c, notify, d.routed())
	}
}

// access checks the keys that every service has, and makes paths absolute.
func (l *loader) access(at string, a Access) Access {
	l.address(at+".base_url", a.BaseURL)
	l.address(at+".token_url", a.TokenURL)
	l.onePlace(at, place{"api_key_file", a.APIKeyFile != ""}, place{"api_key_env", a.APIKeyEnv != ""}, place{"api_key_command", a.APIKeyCommand != nil})
	if a.KeyID == "" {
		l.wrong(at+".key_id", "is missing; it is the name of the registered public key")
	}
	l.onePlace(at, place{"private_key_file", a.PrivateKeyFile != ""}, place{"private_key_command", a.PrivateKeyCommand != nil})
	a.BaseURL = plainAddress(a.BaseURL)
	for _, path := range []*string{&a.APIKeyFile, &a.PrivateKeyFile, &a.CAFile} {
		*path = l.secretFile(*path)
	}
	a.APIKeyCommand = l.command(at+".api_key_command", a.APIKeyCommand)
	a.PrivateKeyCommand = l.command(at+".private_key_command", a.PrivateKeyCommand)
	return a
}

func (l *loader) notify(c *Campaign, s *notifySection, routed bool) {
	if s == nil {
		l.wrong("sink.notify", "is missing; a campaign needs sink.notify, sink.nhsapp or sink.file")
		return
	}
	n := Notify{
		Access: l.access("sink.notify", s.Access), ODSCode: s.ODSCode, Endpoint: Batches,
		Batch: Batch{MaxMessages: defaultMaxMessages, MaxBytes: defaultMaxBytes, Smoothing: defaultSmoothing},
	}
	l.routingPlan(&n, s, routed)
	if l.has("sink.notify.endpoint") {
		if s.Endpoint == nil || *s.Endpoint != string(Batches) && *s.Endpoint != string(Messages) {
			l.wrong("sink.notify.endpoint", "must be batches or messages")
		} else {
			n.Endpoint = Endpoint(*s.Endpoint)
		}
	}
	if n.Endpoint == Messages {
		n.Batch.MaxMessages = 1
		for _, key := range []string{"sink.notify.batch.max_messages", "sink.notify.batch.smoothing"} {
			if l.has(key) {
				l.wrong(key, "has no meaning with endpoint: messages, because each request has one message; take it out")
			}
		}
	}
	within(l, "sink.notify.batch.max_messages", &n.Batch.MaxMessages, s.Batch.MaxMessages, 1, defaultMaxMessages, "")
	within(l, "sink.notify.batch.max_bytes", &n.Batch.MaxBytes, s.Batch.MaxBytes, fewestBytes, mostBytes, "")
	l.duration("sink.notify.batch.smoothing", &n.Batch.Smoothing, s.Batch.Smoothing, time.Nanosecond)
	n.BillingReference = l.text("sink.notify.billing_reference", s.BillingReference)
	n.Originator = l.text("sink.notify.originator", s.Originator)
	n.Contact = l.contact(&s.ContactDetails)
	c.Notify = n
}

// address accepts https, and plain http to this machine.
func (l *loader) address(key, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		l.wrong(key, "is missing")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.wrong(key, "must be an address such as https://int.api.service.nhs.uk/comms")
	case u.Scheme == "https":
	case u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()):
	case u.Scheme == "http":
		l.wrong(key, "must start with https://; plain http is allowed only to this machine")
	default:
		l.wrong(key, "must start with https://")
	}
}

// plainAddress normalises an address: scheme and host in lower case, without the default port
// and a final slash. Two spellings of one service must not be two services.
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

// duration is set for a duration that must be at least least: 0, or any time above it.
func (l *loader) duration(key string, value *time.Duration, found *string, least time.Duration) {
	if found == nil {
		return
	}
	var err error
	if *value, err = time.ParseDuration(*found); err != nil || *value < 0 {
		l.wrong(key, "must be a duration such as 90s or 15m, not %q", *found)
	}
	if *value < least {
		l.wrong(key, "must be longer than 0, such as 15m")
	}
}

func (l *loader) percent(key, text string) float64 {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !isPercent || math.IsNaN(value) || value < 0 || value > 100 {
		l.wrong(key, "must be a percentage from 0%% to 100%%, such as 5%%, not %q", text)
	}
	return value / 100
}
