package campaign

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// inApp and pushed are campaign files for the NHS App.
const (
	app = `campaign: a-campaign
sink:
  nhsapp:
    base_url: https://int.api.service.nhs.uk/nhs-app/
    token_url: https://int.api.service.nhs.uk/oauth2/token
    api_key_file: secrets/api-key
    key_id: int-1
    private_key_file: secrets/int-1.pem
    ca_file: ca.pem
    requester_ods_code: X26
`
	inApp  = app + "    in_app: {content_file: message.md}\n"
	pushed = app + "    push: {display: \"You have a new message\", reference: \"https://www.nhsapp.service.nhs.uk/patient/messages\"}\n    campaign_id: another\n"
)

// inFolder parses a campaign file beside a message.
func inFolder(t *testing.T, text, message string) (*Campaign, error) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "message.md"), []byte(message), 0o600))
	return Parse([]byte(text), filepath.Join(dir, "campaign.yaml"))
}

func TestTheNHSApp(t *testing.T) {
	c, err := inFolder(t, inApp, "\xef\xbb\xbfDear ((name)),\n\ncome.\r\n\n")
	must(t, err)
	dir := filepath.Dir(c.Path)
	access := Access{
		BaseURL: "https://int.api.service.nhs.uk/nhs-app", TokenURL: "https://int.api.service.nhs.uk/oauth2/token", CAFile: filepath.Join(dir, "ca.pem"),
		APIKeyFile: filepath.Join(dir, "secrets/api-key"), KeyID: "int-1", PrivateKeyFile: filepath.Join(dir, "secrets/int-1.pem"),
	}
	want := &NHSApp{Access: access, ODSCode: "X26", ContentFile: filepath.Join(dir, "message.md"), Content: "Dear ((name)),\n\ncome.", CampaignID: "a-campaign"}
	if !reflect.DeepEqual(c.NHSApp, want) || !reflect.DeepEqual(*c.Access(), access) {
		t.Errorf("got %+v\nwant %+v", c.NHSApp, want)
	}
	if texts := c.Texts(); len(texts) != 1 || texts[0].Text != want.Content {
		t.Errorf("%v", texts)
	}
	if c.ServiceID(false) != "nhsapp https://int.api.service.nhs.uk/nhs-app" || c.ServiceID(true) != "nhsapp simulator" {
		t.Errorf("%s, %s", c.ServiceID(false), c.ServiceID(true))
	}
	c, err = inFolder(t, pushed, "")
	must(t, err)
	if c.NHSApp.CampaignID != "another" || *c.NHSApp.Push != (Push{"You have a new message", "https://www.nhsapp.service.nhs.uk/patient/messages"}) || c.Texts() != nil {
		t.Errorf("%+v", c.NHSApp)
	}
	c, err = inFolder(t, inApp+"    on_behalf_of: A1001\n", "m")
	must(t, err)
	if c.NHSApp.OnBehalfOf != "A1001" || c.NHSApp.Reply != nil {
		t.Errorf("%+v", c.NHSApp)
	}
	for text, want := range map[string][]string{"{type: text}": nil, "{type: choice, options: [Yes, \"No\"]}": {"Yes", "No"}} {
		c, err = inFolder(t, strings.Replace(inApp, "message.md}", "message.md, reply: "+text+"}", 1), "m")
		must(t, err)
		if c.NHSApp.Reply == nil || !slices.Equal(c.NHSApp.Reply.Options, want) {
			t.Errorf("%s: %+v", text, c.NHSApp.Reply)
		}
	}
}

func TestMistakesAboutTheNHSApp(t *testing.T) {
	for sentence, test := range map[string]struct{ text, message, want string }{
		"both kinds of message":       {inApp + "    push: {display: x, reference: y}\n", "m", "campaign.yaml:3: sink.nhsapp needs in_app or push, and not both"},
		"neither":                     {app, "m", "needs in_app or push"},
		"both services":               {inApp + "  notify: {base_url: x}\n", "m", "campaign.yaml:2: sink names two services"},
		"no file":                     {strings.Replace(inApp, "message.md", "other.md", 1), "m", "campaign.yaml:11: sink.nhsapp.in_app.content_file cannot be read"},
		"no name of a file":           {strings.Replace(inApp, "message.md", "''", 1), "m", "content_file is missing"},
		"nothing in the file":         {inApp, "\n \n", "names a file without text"},
		"bytes that are no text":      {inApp, "\xff", "must be in UTF-8"},
		"a file that is no message":   {inApp, strings.Repeat("x", 1<<20+1), "has 1048577 bytes; a message may have 1048576"},
		"a reply of no type":          {strings.Replace(inApp, "message.md}", "message.md, reply: {options: [a]}}", 1), "m", "campaign.yaml:11: sink.nhsapp.in_app.reply needs a type: text, or choice"},
		"a reply of nothing":          {strings.Replace(inApp, "message.md}", "message.md, reply: }", 1), "m", "sink.nhsapp.in_app.reply needs a type"},
		"a reply of another type":     {strings.Replace(inApp, "message.md}", "message.md, reply: {type: boolean}}", 1), "m", "needs a type: text, or choice"},
		"a choice of nothing":         {strings.Replace(inApp, "message.md}", "message.md, reply: {type: choice}}", 1), "m", "sink.nhsapp.in_app.reply of type choice needs options"},
		"options beside a text":       {strings.Replace(inApp, "message.md}", "message.md, reply: {type: text, options: [a]}}", 1), "m", "sink.nhsapp.in_app.reply.options are for type choice"},
		"a question":                  {strings.Replace(inApp, "message.md}", "message.md, reply: {type: text, question: a}}", 1), "m", "unknown key sink.nhsapp.in_app.reply.question; allowed here: type, options"},
		"personalisation beside it":   {"personalisation: {a: b}\n" + inApp, "m", "campaign.yaml:1: personalisation is for NHS Notify"},
		"an address without TLS":      {strings.Replace(inApp, "https://int.api.service.nhs.uk/nhs-app/", "http://service.example", 1), "m", "sink.nhsapp.base_url must start with https://"},
		"no key":                      {strings.Replace(inApp, "    key_id: int-1\n", "", 1), "m", "sink.nhsapp.key_id is missing"},
		"a key of the other service":  {inApp + "    batch: {max_messages: 3}\n", "m", "unknown key sink.nhsapp.batch"},
		"a key that is spelt wrongly": {strings.Replace(inApp, "requester_ods_code", "ods_code", 1), "m", "unknown key sink.nhsapp.ods_code; allowed here: base_url"},
	} {
		_, err := inFolder(t, test.text, test.message)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, not %s", sentence, err, test.want)
		}
	}
}

func TestWhatIsFrozenOfTheNHSApp(t *testing.T) {
	planned, err := inFolder(t, inApp, "Dear ((name))")
	must(t, err)
	push, err := inFolder(t, pushed, "")
	must(t, err)
	asking, err := inFolder(t, strings.Replace(inApp, "message.md}", "message.md, reply: {type: choice, options: [Yes, No]}}", 1), "Dear ((name))")
	must(t, err)
	for sentence, test := range map[string]struct {
		from               *Campaign
		text, message, key string
	}{
		"nothing differs":             {planned, inApp, "Dear ((name))\n", ""},
		"the text":                    {planned, inApp, "Dear ((name)),", "sink.nhsapp.in_app.content"},
		"the service":                 {planned, strings.Replace(inApp, "https://int.", "https://", 1), "Dear ((name))", "sink.nhsapp.base_url"},
		"the sender":                  {planned, strings.Replace(inApp, "X26", "X27", 1), "Dear ((name))", "sink.nhsapp.requester_ods_code"},
		"the campaign's id":           {planned, inApp + "    campaign_id: x\n", "Dear ((name))", "sink.nhsapp.campaign_id"},
		"whom it is sent for":         {planned, inApp + "    on_behalf_of: A1001\n", "Dear ((name))", "sink.nhsapp.on_behalf_of"},
		"that it may be answered":     {planned, strings.Replace(inApp, "message.md}", "message.md, reply: {type: text}}", 1), "Dear ((name))", "sink.nhsapp.in_app.reply"},
		"what may be answered":        {asking, strings.Replace(inApp, "message.md}", "message.md, reply: {type: choice, options: [Yes, Perhaps]}}", 1), "Dear ((name))", "sink.nhsapp.in_app.reply"},
		"a push in its place":         {planned, strings.Replace(pushed, "    campaign_id: another\n", "", 1), "", "sink.nhsapp.push.display"},
		"the text of a push":          {push, strings.Replace(pushed, "new message", "message", 1), "", "sink.nhsapp.push.display"},
		"the address of a push":       {push, strings.Replace(pushed, "patient/messages", "patient", 1), "", "sink.nhsapp.push.reference"},
		"another service":             {planned, least, "", "sink.notify.base_url"},
		"the key":                     {planned, strings.Replace(inApp, "int-1.pem", "int-2.pem", 1), "Dear ((name))", ""},
		"the name of the text's file": {planned, strings.Replace(inApp, "message.md", "./message.md", 1), "Dear ((name))", ""},
	} {
		now, err := inFolder(t, test.text, test.message)
		must(t, err)
		err = Compare(test.from.Frozen(), now.Frozen())
		if d, _ := err.(*DifferenceError); (test.key == "") != (err == nil) || err != nil && d.Key != test.key {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// The campaign of a plan has the words of the plan, though its content files have other words or are gone.
func TestPlannedContent(t *testing.T) {
	routed := inApp + "route:\n  - {name: welsh, when: {language: [cy]}, content_file: message.md}\n  - {name: english}\n"
	c, err := inFolder(t, routed, "Dear ((name))")
	must(t, err)
	planned := c.Frozen()
	must(t, os.WriteFile(c.NHSApp.ContentFile, []byte("Hello ((name))"), 0o600))
	for range 2 {
		now, err := ParsePlanned([]byte(routed), c.Path, planned)
		must(t, err)
		if now.NHSApp.Content != "Dear ((name))" || now.Routes[0].Content != "Dear ((name))" {
			t.Errorf("%+v, %+v", now.NHSApp, now.Routes)
		}
		_ = os.Remove(c.NHSApp.ContentFile)
	}
	if _, err := ParsePlanned([]byte(strings.Replace(routed, "X26", "X27", 1)), c.Path, planned); err == nil {
		t.Error("another sender passes for the planned one")
	}
}
