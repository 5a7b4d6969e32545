package campaign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cohort/engine/yamlfile"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// least is a campaign file that says no more than it must.
const least = `campaign: a-campaign
sink:
  notify:
    base_url: https://int.api.service.nhs.uk/comms
    token_url: https://int.api.service.nhs.uk/oauth2/token
    api_key_file: secrets/api-key
    key_id: int-1
    private_key_file: secrets/int-1.pem
    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1
`

const path = "/somewhere/campaign.yaml"

func parse(t testing.TB, text string) *Campaign {
	t.Helper()
	c, err := Parse([]byte(text), path)
	must(t, err)
	return c
}

// with puts lines in front of the least file, or behind the notify section's when they
// are indented by four.
func with(lines string) string {
	if strings.HasPrefix(lines, "    ") {
		return least + lines + "\n"
	}
	return lines + "\n" + least
}

func TestDefaults(t *testing.T) {
	c := parse(t, least)
	london, err := time.LoadLocation("Europe/London")
	must(t, err)
	want := &Campaign{
		Name: "a-campaign", Register: "/somewhere/.cohort", OverlapDays: 30, Path: path,
		Cohort: Cohort{Columns: map[string][]string{}, Duplicates: Duplicates{Rule: "first"}, MaxInvalid: 0.05},
		Pace:   Pace{Messages: 3_400_000, CatchUp: 1, Window: &Hours{360, 1320}, Location: london, LastCall: time.Minute},
		StopIf: StopIf{0.1, 2000}, GiveUpAfter: 15 * time.Minute,
		Notify: Notify{
			Access: Access{
				BaseURL: "https://int.api.service.nhs.uk/comms", TokenURL: "https://int.api.service.nhs.uk/oauth2/token",
				APIKeyFile: "/somewhere/secrets/api-key", KeyID: "int-1", PrivateKeyFile: "/somewhere/secrets/int-1.pem",
			},
			RoutingPlanID: "b838b13c-f98c-4def-93f0-515d4e4f4ee1", Endpoint: Batches, Batch: Batch{45_000, 5_000_000, 10 * time.Second},
		},
	}
	if want.lines = c.lines; !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	text := `campaign: bowel-screening-1
series: bowel-screening
title: "Bowel screening, round 1"
purpose: {text: invite, owner: J. Smith, basis: "7A"}
keep_columns: [icb, Clinic code]
followup: [{name: sms, after: 24h, unless: [read], known: 40%, not_after: day, by: sms.yaml}]
profile: production
register: ../register
cohort:
  columns:
    nhs_number: NHS
    given_name: [given_name, "First Name"]
  required: [appointment_date]
  format: {type: csv, delimiter: "|", encoding: Windows-1252, header: false}
  types: {appointment_date: date}
  duplicates: {latest_by: changed}
  withdrawn: {column: record_type, values: [DEL]}
  superseded_by: new_number
  defaults: {given_name: you, clinic: "", floor: 3}
  numbers: any
  multiline: [notes]
  encoding_checked: true
  max_invalid: 2.5 %
  expect: {records: 3400000, sha256: ` + strings.Repeat("Ab", 32) + `}
suppress:
  - {file: dead.csv, reason: deceased_formal, may_shrink: true, unreadable: 4, format: {encoding: utf-16}}
personalisation:
  second: "((b))"
  first: "Dear ((a))"
reserved_names: checked
content: {literal: true}
reach: {practice: gp}
pace:
  messages: 1000
  window: "22:00 - 06:00"
  timezone: Europe/Paris
  per_second: 7.5
  spread: true
  catch_up: 1.5
  last_call: 90s
  until: 2026-12-01
  share: app-key-1
  weight: 9
  lane: urgent
  quota: 2400
stop_if: {refused: 3%, of: 50}
give_up_after: 1h30m
overlap_days: 7
on_halt: [page, "cohort halted"]
callbacks:
  {application_id: app, api_key_file: a, previous_api_key_file: b, api_key_header: x-key, client_ca_file: c, client_names: [d]}
sink:
  notify:
    base_url: http://localhost:8080/comms/
    token_url: http://127.0.0.1/token
    api_key_env: KEY
    key_id: k
    private_key_command: [bin/print, key]
    routing_plan_id: B838B13C-F98C-4DEF-93F0-515D4E4F4EE1
    ods_code: X26
    endpoint: batches
    ca_file: ca.pem
    batch: {max_messages: 10, max_bytes: 20000, smoothing: 1m}
    billing_reference: "((cost_centre))"
    originator: "((gp))"
    contact_details:
      sms: "((mobile))"
      email: "((email))"
      address: {lines: ["((line_1))", "((line_2))"], postcode: "((postcode))"}
      name: {prefix: Dr, first_name: "((given))", middle_names: "((more))", last_name: "((family))", suffix: "((behind))"}
`
	paris, err := time.LoadLocation("Europe/Paris")
	must(t, err)
	want := &Campaign{
		Name: "bowel-screening-1", Profile: Production, Register: "/register", OverlapDays: 7, Path: path, OnHalt: []string{"page", "cohort halted"},
		Cohort: Cohort{
			Columns:  map[string][]string{"nhs_number": {"NHS"}, "given_name": {"given_name", "First Name"}},
			Required: []string{"appointment_date"}, Types: map[string]string{"appointment_date": "date"},
			Duplicates: Duplicates{"latest", "changed"}, Withdrawn: Withdrawn{"record_type", []string{"DEL"}}, Superseded: "new_number",
			Format: Format{"csv", "|", "windows-1252", new(bool)}, Defaults: map[string]string{"given_name": "you", "clinic": "", "floor": "3"},
			Multiline: []string{"notes"}, Checked: true,
			Numbers: WhateverNumbers, MaxInvalid: 0.025, Expect: Expect{3_400_000, strings.Repeat("ab", 32)},
		},
		Suppress:        []List{{File: "/somewhere/dead.csv", Reason: "deceased_formal", MayShrink: true, Unreadable: 4, Format: Format{Encoding: "utf-16"}}},
		Personalisation: []Personalisation{{"first", "Dear ((a))"}, {"second", "((b))"}},
		Callbacks:       &Callbacks{"app", "/somewhere/a", nil, "/somewhere/b", "x-key", "/somewhere/c", []string{"d"}, ""},
		KeepColumns:     []string{"icb", "Clinic code"},
		FollowUps:       []FollowUp{{"sms", 24 * time.Hour, []string{"read"}, 0.4, "day", "/somewhere/sms.yaml"}},
		Heading:         Heading{"bowel-screening", "Bowel screening, round 1", Purpose{"invite", "J. Smith", "7A"}},
		ReservedNames:   "checked", Literal: true,
		Reach: &Reach{"gp"},
		Pace: Pace{
			Messages: 1000, Window: &Hours{1320, 360}, Location: paris, PerSecond: 7.5, Spread: true, CatchUp: 1.5, LastCall: 90 * time.Second,
			Until: time.Date(2026, 12, 2, 0, 0, 0, 0, paris), Quota: 2400,
			Share: Share{Name: "app-key-1", Weight: 9, Urgent: true},
		},
		StopIf: StopIf{0.03, 50}, GiveUpAfter: 90 * time.Minute,
		Notify: Notify{
			Access:        Access{BaseURL: "http://localhost:8080/comms", TokenURL: "http://127.0.0.1/token", APIKeyEnv: "KEY", KeyID: "k", PrivateKeyCommand: []string{"/somewhere/bin/print", "key"}, CAFile: "/somewhere/ca.pem"},
			RoutingPlanID: "b838b13c-f98c-4def-93f0-515d4e4f4ee1", ODSCode: "X26", Endpoint: Batches, Batch: Batch{10, 20_000, time.Minute},
			BillingReference: "((cost_centre))", Originator: "((gp))",
			Contact: Contact{
				SMS: "((mobile))", Email: "((email))", Lines: []string{"((line_1))", "((line_2))"}, Postcode: "((postcode))",
				Prefix: "Dr", FirstName: "((given))", MiddleNames: "((more))", LastName: "((family))", Suffix: "((behind))",
			},
		},
	}
	c := parse(t, text)
	if want.lines = c.lines; !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	for _, key := range everyKey(reflect.TypeFor[document](), "") {
		name := key[strings.LastIndexByte(key, '.')+1:]
		if strings.HasPrefix(key, "sink.nhsapp") || strings.HasPrefix(key, "sink.file") {
			continue // a campaign has one service; see TestTheNHSApp and TestFiles
		}
		if strings.HasPrefix(key, "route") {
			continue // see TestRoutesAreRead
		}
		if name != "*" && name != "routing_plan" && name != "api_key_file" && name != "api_key_command" && name != "private_key_file" && !strings.Contains(text, name+":") {
			t.Errorf("key %s is not in the file of this test", key)
		}
	}
}

// everyKey lists the keys of the format.
func everyKey(t reflect.Type, path string) (keys []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if choice, ok := reflect.Zero(t).Interface().(yamlfile.Either); ok && choice.Section() != nil {
		t = reflect.TypeOf(choice.Section())
	}
	if t.Kind() == reflect.Map {
		return everyKey(t.Elem(), path+".*")
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	names, types := yamlfile.KeysOf(t)
	for i, name := range names {
		key := strings.TrimPrefix(path+"."+name, ".")
		keys = append(append(keys, key), everyKey(types[i], key)...)
	}
	return keys
}

func TestMistakesAreNamedWithTheirLine(t *testing.T) {
	replaced := func(key, value string) string {
		var lines []string
		for line := range strings.Lines(least) {
			if strings.HasPrefix(strings.TrimSpace(line), key+":") {
				if value == "" {
					continue
				}
				line = line[:strings.Index(line, ":")] + ": " + value + "\n"
			}
			lines = append(lines, line)
		}
		return strings.Join(lines, "")
	}
	for sentence, test := range map[string]struct {
		text string
		line int
		says string
	}{
		"an empty file":                      {"", 0, "the campaign file is empty"},
		"a file of comments":                 {"# nothing\n", 0, "the campaign file is empty"},
		"a list":                             {"- a\n- b\n", 1, "a campaign file is YAML, made of lines such as"},
		"a text":                             {"hello\n", 1, "a campaign file is YAML, made of lines such as"},
		"no YAML":                            {"campaign: [a\n", 1, "a square bracket above or here has no partner"},
		"two documents":                      {least + "---\n" + least, 0, "more than one YAML document"},
		"an unknown key":                     {with("campain: x"), 1, "unknown key campain; allowed here: campaign, profile"},
		"an unknown key inside":              {with("pace:\n  windw: x"), 2, "unknown key pace.windw; allowed here: messages, window"},
		"an unknown key of the service":      {with("    colour: red"), 10, "unknown key sink.notify.colour"},
		"an unknown service":                 {"campaign: a\nsink:\n  pigeon: {}\n", 3, "unknown key sink.pigeon; allowed here: notify"},
		"an unknown key in braces":           {with("stop_if: {refused: 1%, off: 3}"), 1, "unknown key stop_if.off"},
		"a key below a text":                 {with("profile: {a: b}"), 1, "profile must be a text, not a section with keys"},
		"a key twice":                        {with("profile: test\nprofile: production"), 2, "the key \"profile\" is written twice; it is on line 1 already"},
		"a key twice inside":                 {with("    key_id: other"), 10, "the key \"key_id\" is written twice; it is on line 7 already"},
		"a key written with its path":        {with("pace.window: 10:00-11:00"), 1, "unknown key pace.window"},
		"a key inside written with its path": {with("    batch.max_messages: 5"), 10, "unknown key sink.notify.batch.max_messages"},
		"an unknown key behind an anchor":    {with("pace: &p\n  windw: x"), 1, "pace"},
		"an alias":                           {with("stop_if: &s {of: 3}\npace: *s"), 1, "stop_if"},
		"a merge":                            {with("pace:\n  <<: {window: 10:00-11:00}"), 2, "unknown key pace.<<"},
		"no campaign":                        {replaced("campaign", ""), 0, "campaign is missing"},
		"a campaign with capitals":           {replaced("campaign", "Bowel"), 1, `campaign may have only a-z, 0-9 and hyphens, at most 64 of them; it is "Bowel"`},
		"a campaign of 65":                   {replaced("campaign", strings.Repeat("a", 65)), 1, "at most 64"},
		"a profile that there is not":        {with("profile: live"), 1, `profile must be test or production, not "live"`},
		"a register of no name":              {with(`register: ""`), 1, "register must name a folder"},
		"a halt command of no name":          {with(`on_halt: [""]`), 1, "on_halt must start with a command"},
		"a column without a header":          {with("cohort:\n  columns:\n    nhs_number:"), 3, "cohort.columns.nhs_number must name"},
		"a column with an empty header":      {with("cohort:\n  columns:\n    nhs_number: [a, '']"), 3, "cohort.columns.nhs_number must name"},
		"a column of an unknown shape":       {with("cohort:\n  columns:\n    nhs_number: {a: b}"), 3, "cohort.columns.nhs_number must be a text or a list of texts, not a section with keys"},
		"too many invalid":                   {with("cohort:\n  max_invalid: 101%"), 2, "cohort.max_invalid must be a percentage"},
		"a share without a sign":             {with("cohort:\n  max_invalid: 0.05"), 2, "cohort.max_invalid must be a percentage"},
		"a default of nothing":               {with("cohort:\n  defaults:\n    a:"), 3, "cohort.defaults.a must be a text"},
		"a default of a list":                {with("cohort:\n  defaults:\n    a: [b]"), 3, "cohort.defaults.a must be a text, not a list"},
		"a default of a map":                 {with("cohort:\n  defaults:\n    a: {b: c}"), 3, "cohort.defaults.a must be a text, not a section with keys"},
		"a default for what is required":     {with("cohort:\n  required: [a]\n  defaults:\n    b: x\n    a: x"), 5, "cohort.defaults.a is for a field of cohort.required, which may not be empty"},
		"a default NHS number":               {with("cohort:\n  defaults: {nhs_number: 1}"), 2, "cohort.defaults.nhs_number cannot be"},
		"numbers that there are not":         {with("cohort:\n  numbers: test"), 2, "cohort.numbers must be any"},
		"numbers of no name":                 {with("cohort:\n  numbers: ''"), 2, "cohort.numbers must be any"},
		"a share that is no number":          {with("stop_if: {refused: NaN%}"), 1, "stop_if.refused must be a percentage"},
		"fewer than no refusals":             {with("stop_if: {refused: -1%}"), 1, "stop_if.refused must be a percentage"},
		"a number below none":                {with("stop_if: {of: -1}"), 1, "stop_if.of must be at least 0 messages; 0 switches stop_if off; it is -1"},
		"a text for a number":                {with("stop_if: {of: many}"), 1, "stop_if.of must be a whole number, not \"many\""},
		"no records expected":                {with("cohort:\n  expect: {records: 0}"), 2, "cohort.expect.records must be"},
		"a digest that is too short":         {with("cohort:\n  expect: {sha256: abc}"), 2, "cohort.expect.sha256 must be 64"},
		"a personalisation of nothing":       {with("personalisation:\n  a:"), 2, "personalisation.a must be a text"},
		"reserved names":                     {with("reserved_names: yes"), 1, "reserved_names must be checked"},
		"no reserved names":                  {with("reserved_names:"), 1, "reserved_names must be checked"},
		"another key of content":             {with("content: {file: x}"), 1, "unknown key content.file"},
		"messages that never count":          {with("overlap_days: 0"), 1, "overlap_days must be at least 1; it is 0"},
		"giving up at once":                  {with("give_up_after: 0s"), 1, "give_up_after must be longer"},
		"a duration without a unit":          {with("give_up_after: 15"), 1, "give_up_after must be a duration"},
		"no service":                         {"campaign: a\n", 0, "sink.notify is missing"},
		"no base_url":                        {replaced("base_url", ""), 0, "sink.notify.base_url is missing"},
		"no token_url":                       {replaced("token_url", ""), 0, "sink.notify.token_url is missing"},
		"plain http to elsewhere":            {replaced("base_url", "http://int.api.service.nhs.uk"), 4, "must start with https://"},
		"another scheme":                     {replaced("base_url", "ftp://int.api.service.nhs.uk"), 4, "must start with https://"},
		"an address with a password":         {replaced("base_url", "https://me:secret@int.api.service.nhs.uk"), 4, "must be an address such as"},
		"an address with a question":         {replaced("token_url", "https://int.api.service.nhs.uk/?a=b"), 5, "must be an address such as"},
		"no address":                         {replaced("base_url", "here"), 4, "must be an address such as"},
		"no API key":                         {replaced("api_key_file", ""), 3, "sink.notify needs api_key_file or api_key_env or api_key_command"},
		"two API keys":                       {with("    api_key_env: KEY"), 10, "sink.notify.api_key_env and api_key_file name two places of one secret"},
		"a key in a file and by a command":   {with("    api_key_command: [vault, read]"), 10, "sink.notify.api_key_command and api_key_file name two places"},
		"a key by a command of no words":     {replaced("api_key_file", "") + "    api_key_command: []\n", 9, "sink.notify.api_key_command must start with a command"},
		"a key by a command line":            {replaced("api_key_file", "") + "    api_key_command: vault read\n", 9, "sink.notify.api_key_command must be a list, such as"},
		"two private keys":                   {with("    private_key_command: [vault, read]"), 10, "sink.notify.private_key_command and private_key_file name two places"},
		"no key_id":                          {replaced("key_id", ""), 0, "sink.notify.key_id is missing"},
		"no private key":                     {replaced("private_key_file", ""), 3, "sink.notify needs private_key_file or private_key_command"},
		"no routing plan":                    {replaced("routing_plan_id", ""), 0, "sink.notify.routing_plan_id must be"},
		"two routing plans":                  {with("    routing_plan: app"), 10, "sink.notify.routing_plan and routing_plan_id both name a routing plan"},
		"an empty name beside the id":        {with("    routing_plan:"), 10, "sink.notify.routing_plan and routing_plan_id both name a routing plan"},
		"a routing plan of no name":          {replaced("routing_plan_id", "") + "    routing_plan:\n", 9, "sink.notify.routing_plan must be one of app, email, sms, app-then-email, app-4h-then-email, app-then-sms, app-4h-then-sms; name a plan of your own under routing_plan_id"},
		"a name that there is not":           {replaced("routing_plan_id", "") + "    routing_plan: pigeon\n", 9, "sink.notify.routing_plan must be one of app, email"},
		"a routing plan that is no id":       {replaced("routing_plan_id", "b838b13c"), 9, "sink.notify.routing_plan_id must be"},
		"batches of none":                    {with("    batch: {max_messages: 0}"), 10, "max_messages must be between 1 and 45000"},
		"batches of too many":                {with("    batch: {max_messages: 45001}"), 10, "max_messages must be between 1 and 45000"},
		"batches that are too small":         {with("    batch: {max_bytes: 9999}"), 10, "max_bytes must be between 10000 and 5200000"},
		"batches that are too large":         {with("    batch: {max_bytes: 5200001}"), 10, "max_bytes must be between 10000 and 5200000"},
		"no smoothing":                       {with("    batch: {smoothing: 0s}"), 10, "smoothing must be longer than 0"},
		"an endpoint that there is not":      {with("    endpoint: both"), 10, "sink.notify.endpoint must be batches or messages"},
		"an endpoint of nothing":             {with("    endpoint:"), 10, "sink.notify.endpoint must be batches or messages"},
		"single messages in batches":         {with("    endpoint: messages\n    batch: {max_messages: 2}"), 11, "sink.notify.batch.max_messages has no meaning with endpoint: messages"},
		"single messages, smoothed":          {with("    endpoint: messages\n    batch: {smoothing: 10s}"), 11, "sink.notify.batch.smoothing has no meaning with endpoint: messages"},
		"a billing reference of nothing":     {with("    billing_reference:"), 10, "sink.notify.billing_reference must be a text"},
		"an empty originator":                {with("    originator: ''"), 10, "sink.notify.originator must be a text"},
		"no contact details":                 {with("    contact_details:"), 10, "sink.notify.contact_details must name sms, email, address or name"},
		"contact details of nothing":         {with("    contact_details: {}"), 10, "sink.notify.contact_details must name sms, email, address or name"},
		"an unknown contact detail":          {with("    contact_details: {fax: x}"), 10, "unknown key sink.notify.contact_details.fax; allowed here: sms, email, address, name"},
		"an empty email":                     {with("    contact_details: {email: ''}"), 10, "sink.notify.contact_details.email must be a text"},
		"an address of nothing":              {with("    contact_details: {sms: x, address: }"), 10, "sink.notify.contact_details.address needs between 2 and 20 lines"},
		"an address of one line":             {with("    contact_details: {address: {lines: [a], postcode: x}}"), 10, "sink.notify.contact_details.address needs between 2 and 20 lines"},
		"an address with an empty line":      {with("    contact_details: {address: {lines: [a, ''], postcode: x}}"), 10, "sink.notify.contact_details.address.lines must each be a text"},
		"an address without a postcode":      {with("    contact_details: {address: {lines: [a, b]}}"), 10, "sink.notify.contact_details.address needs a postcode"},
		"a name of nothing":                  {with("    contact_details: {sms: x, name: }"), 10, "sink.notify.contact_details.name needs a last_name"},
		"a name without the last":            {with("    contact_details: {name: {first_name: a}}"), 10, "sink.notify.contact_details.name needs a last_name"},
	} {
		_, err := Parse([]byte(test.text), path)
		mistake := (*FileError)(nil)
		if !errors.As(err, &mistake) {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		if mistake.Line != test.line || !strings.Contains(mistake.Problem, test.says) {
			t.Errorf("%s: line %d, %q; want line %d, %q", sentence, mistake.Line, mistake.Problem, test.line, test.says)
		}
		if prefix := "campaign.yaml:"; !strings.HasPrefix(err.Error(), prefix) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error is %q", sentence, err)
		}
		if strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: the error tells a secret", sentence)
		}
	}
}

// Keys of the format that this version does not act on are refused as such: to ignore
// one would be to send what nobody asked for.
func TestKeysThatAreNotYetSupported(t *testing.T) {
	for _, key := range laterKeys {
		parts := strings.Split(key, ".")
		text, line := "campaign: a\n", 2
		for depth, part := range parts {
			text += strings.Repeat("  ", depth) + part + ":\n"
		}
		_, err := Parse([]byte(text+strings.Repeat("  ", len(parts))+"x: y\n"), path)
		mistake := (*FileError)(nil)
		if !errors.As(err, &mistake) || mistake.Line != line+len(parts)-1 || !strings.Contains(mistake.Problem, key+" is not yet supported by this version") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// A column or a field of the service may have any name.
func TestNamesOfTheUsersOwn(t *testing.T) {
	c := parse(t, with("cohort:\n  columns:\n    a.b: x\n    Größe: y\npersonalisation:\n  address.line: z"))
	if fmt.Sprint(c.Cohort.Columns) != "map[Größe:[y] a.b:[x]]" || c.Personalisation[0] != (Personalisation{"address.line", "z"}) {
		t.Errorf("got %v and %v", c.Cohort.Columns, c.Personalisation)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "campaign.yaml")
	must(t, os.WriteFile(file, []byte(least), 0o600))
	t.Chdir(dir)
	c, err := Load("campaign.yaml")
	must(t, err)
	if c.Path != file || c.Notify.APIKeyFile != filepath.Join(dir, "secrets/api-key") {
		t.Errorf("relative paths start from %s and %s", c.Path, c.Notify.APIKeyFile)
	}
	if _, err := Load("missing.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAByteOrderMarkIsSkipped(t *testing.T) {
	if c := parse(t, "\ufeff"+least); c.Name != "a-campaign" {
		t.Errorf("the campaign is %q", c.Name)
	}
	if _, err := Parse([]byte("\ufeff"), path); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("a mark alone: %v", err)
	}
}

// Other packages name the line of a key as this one does.
func TestMistakesThatOthersFind(t *testing.T) {
	c := parse(t, with("cohort:\n  types: {day: date}\n  defaults:\n    day: soon"))
	if got := c.Mistake("cohort.defaults.day", "is not a date").Error(); got != "campaign.yaml:4: cohort.defaults.day is not a date" {
		t.Error(got)
	}
	if got := c.Mistake("cohort.numbers", "is missing").Error(); got != "campaign.yaml: cohort.numbers is missing" {
		t.Error(got)
	}
}

func TestServiceIDs(t *testing.T) {
	c := parse(t, least)
	if got := c.ServiceID(false); got != "notify https://int.api.service.nhs.uk/comms" {
		t.Errorf("the service is %s", got)
	}
	if got := c.ServiceID(true); got != "notify simulator" {
		t.Errorf("the simulator is %s", got)
	}
}

// Whatever the bytes, there is a campaign or an error, and no panic.
func FuzzParse(f *testing.F) {
	f.Add(least)
	f.Add(with("pace:\n  window: \"22:00-06:00\"\n  until: 2026-12-01"))
	f.Add(with("? {a: b}\n: c\n&x y: *x"))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text), path)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		if err == nil && Compare(c.Frozen(), c.Frozen()) != nil {
			t.Fatal("a campaign differs from itself")
		}
	})
}
