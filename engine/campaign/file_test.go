package campaign

import (
	"reflect"
	"strings"
	"testing"
)

// upload and letters are campaign files that write files.
const (
	upload = `campaign: a-campaign
personalisation: {first: "((given_name))"}
sink:
  file:
    mesh:
      routing_plan_id: B838b13c-f98c-4def-93f0-515d4e4f4ee1
      from: X26OT001
      to: X26HC002
      max_messages: 1000
      max_bytes: 5000
`
	letters = `campaign: a-campaign
cohort: {types: {postcode: postcode, day: date}, defaults: {given_name: patient}}
personalisation: {greeting: "Dear ((given_name))"}
sink:
  file:
    letters:
      columns: [message_reference, greeting, line_1, line_2, postcode, nhs_number]
      address_lines: [line_1, line_2, line_3]
      postcode: postcode
`
)

func TestFiles(t *testing.T) {
	c := parse(t, upload)
	want := &File{Mesh: &Mesh{"b838b13c-f98c-4def-93f0-515d4e4f4ee1", "X26OT001", "X26HC002"}, MaxMessages: 1000, MaxBytes: 5000}
	if !reflect.DeepEqual(c.File, want) || c.ServiceID(false) != "file mesh" || !WritesFiles(c.ServiceID(false)) || WritesFiles("notify https://file") || !c.PersonalisesAll() || len(c.Texts()) != 1 {
		t.Errorf("%+v, %s, %v", c.File, c.ServiceID(false), c.Texts())
	}
	if c.Pace.Window != nil || c.Pace.PerSecond != 0 {
		t.Errorf("a file waits for a window: %+v", c.Pace)
	}
	c = parse(t, letters)
	want = &File{MaxMessages: 6_000_000, MaxBytes: 1_999_999_999, Letters: &Letters{
		Format: "csv", Columns: []string{"message_reference", "greeting", "line_1", "line_2", "postcode", "nhs_number"},
		AddressLines: []string{"line_1", "line_2", "line_3"}, FewestLines: 2, Postcode: "postcode",
	}}
	if !reflect.DeepEqual(c.File, want) || c.ServiceID(false) != "file letters" || c.PersonalisesAll() {
		t.Errorf("%+v, %s", c.File.Letters, c.ServiceID(false))
	}
	if texts := c.Texts(); !reflect.DeepEqual(texts, []Text{
		{"personalisation.greeting", "greeting", "Dear ((given_name))"}, {"sink.file.letters.columns", "line_1", "((line_1))"},
		{"sink.file.letters.columns", "line_2", "((line_2))"}, {"sink.file.letters.columns", "postcode", "((postcode))"},
	}) {
		t.Errorf("%q", texts)
	}
}

func TestMistakesAboutFiles(t *testing.T) {
	for sentence, test := range map[string]struct{ text, from, to, want string }{
		"no kind of file":            {upload, upload[strings.Index(upload, "    mesh"):], "    {}\n", "sink.file needs mesh or letters, and not both"},
		"both kinds":                 {upload, "      max_bytes: 5000", "      max_bytes: 5000\n    letters: {format: csv}", "sink.file needs mesh or letters"},
		"a service besides":          {upload, "  file:", "  notify: {key_id: x}\n  file:", "names two services"},
		"a pace":                     {upload, "sink:", "pace: {per_second: 3}\nsink:", "campaign.yaml:3: pace is for services"},
		"no plan":                    {upload, "B838b13c", "x", "campaign.yaml:6: sink.file.mesh.routing_plan_id must be"},
		"too many messages":          {upload, "1000", "6000001", "campaign.yaml:9: sink.file.mesh.max_messages must be between 1 and 6000000"},
		"too many bytes":             {upload, "max_bytes: 5000", "max_bytes: 2000000000", "max_bytes must be at least 1000 and less than 2000000000"},
		"a key of the other kind":    {upload, "from: X26OT001", "postcode: x", "unknown key sink.file.mesh.postcode; allowed here: routing_plan_id"},
		"an unknown format":          {letters, "      postcode: postcode", "      postcode: postcode\n      format: xml", "format must be csv or jsonl"},
		"no columns":                 {letters, "      columns: [message_reference, greeting, line_1, line_2, postcode, nhs_number]\n", "", "personalisation.greeting is in no column"},
		"a column twice":             {letters, "line_2, postcode, nhs", "line_1, postcode, nhs", `sink.file.letters.columns must name each column once; "line_1"`},
		"no address":                 {letters, "      address_lines: [line_1, line_2, line_3]\n", "", "address_lines is missing"},
		"more lines than there are":  {letters, "      postcode: postcode", "      postcode: postcode\n      fewest_lines: 4", "fewest_lines must be between 1 and the number of address_lines"},
		"no postcode":                {letters, "      postcode: postcode\n", "", "sink.file.letters.postcode is missing"},
		"a postcode of another type": {letters, "postcode: postcode, day", "postcode: date, day", "cohort.types.postcode must be postcode"},
		"an address made up":         {letters, "given_name: patient", "line_2: London", "cohort.defaults.line_2 cannot be"},
		"a field of no column":       {letters, "greeting, line_1", "line_1", "personalisation.greeting is in no column of the letters"},
	} {
		text := strings.Replace(test.text, test.from, test.to, 1)
		if text == test.text {
			t.Fatalf("%s: nothing was changed", sentence)
		}
		_, err := Parse([]byte(text), path)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, not %s", sentence, err, test.want)
		}
	}
}

// Whatever decides what is written is frozen.
func TestWhatIsFrozenOfFiles(t *testing.T) {
	for _, test := range []struct{ text, from, to, key string }{
		{upload, "X26OT001", "X26OT009", "sink.file.mesh.from"},
		{upload, "X26HC002", "X26HC009", "sink.file.mesh.to"},
		{upload, "B838", "c838", "sink.file.mesh.routing_plan_id"},
		{upload, "1000", "1001", "sink.file.mesh.max_messages"},
		{upload, "5000", "5001", "sink.file.mesh.max_bytes"},
		{letters, "line_1, line_2, postcode", "line_2, line_1, postcode", "sink.file.letters.columns"},
		{letters, "line_2, line_3]", "line_3]", "sink.file.letters.address_lines"},
		{letters, "      postcode: postcode", "      postcode: postcode\n      fewest_lines: 1", "sink.file.letters.fewest_lines"},
		{letters, "      postcode: postcode", "      postcode: postcode\n      format: jsonl", "sink.file.letters.format"},
		{letters, "      postcode: postcode", "      postcode: post_code", "sink.file.letters.postcode"},
		{letters, "Dear", "Hello", "personalisation.greeting"},
		{upload, "from: X26OT001", "from: X26OT001 # ours", ""},
	} {
		err := Compare(parse(t, test.text).Frozen(), parse(t, strings.Replace(test.text, test.from, test.to, 1)).Frozen())
		if d, _ := err.(*DifferenceError); (test.key == "") != (err == nil) || err != nil && d.Key != test.key {
			t.Errorf("%s for %s: %v, not %s", test.to, test.from, err, test.key)
		}
	}
}
