package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/ingest"
	"cohort/ingest/person"
)

// The campaign limits the unreadable rows of a list. A run that has begun keeps its own limit.
func TestUnreadableRowsOfAList(t *testing.T) {
	const few, more = "nhs_number\n9990000018\n?\n", "nhs_number\n9990000018\n?\n??\n"
	for sentence, test := range map[string]struct {
		tolerated int64
		before    string // what the log has of the list; empty: it was never read
		edited    bool   // the list is another than the log's
		text, err string
		again     bool // the list is read, and not passed over as unchanged
	}{
		"none is tolerated":                                  {0, "", false, few, "list.csv:3: no NHS number can be read from this row", true},
		"so many are":                                        {1, "", false, few, "", true},
		"so many are and no more":                            {1, "", false, more, "2 rows of the list cannot be read", true},
		"as many as the run went on with":                    {0, `{"people":1,"unreadable":1,"rules":2}`, true, few, "", true},
		"more than those":                                    {0, `{"people":1,"unreadable":1,"rules":2}`, true, more, "list.csv:3: ", true},
		"more than those, and the file allows":               {2, `{"people":1,"unreadable":1,"rules":2}`, true, more, "", true},
		"the same list":                                      {0, `{"people":1,"unreadable":1,"rules":2}`, false, few, "", false},
		"the same list, read by older rules":                 {0, `{"people":1}`, false, few, "", true},
		"the same list, before control characters were seen": {1, `{"people":1,"unreadable":1,"rules":1}`, false, few, "", true},
		"another list, read by older rules":                  {0, `{"people":1}`, true, few, "list.csv:3: ", true},
		"a list without any that has some now":               {0, `{"people":1,"rules":2}`, true, few, "list.csv:3: ", true},
		"another list is not this one's excuse":              {0, `{"file":"/gone.csv","reason":"other","people":1,"unreadable":9,"rules":2}`, true, few, "list.csv:3: ", true},
	} {
		path := filepath.Join(t.TempDir(), "list.csv")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		l := &Lists{Of: []campaign.List{{File: path, Reason: "deceased", Unreadable: test.tolerated}}, Log: slog.New(slog.DiscardHandler)}
		var last []plan.ListRead
		if test.before != "" {
			last = []plan.ListRead{{File: path, Reason: "deceased"}}
			if err := json.Unmarshal([]byte(test.before), &last[0]); err != nil {
				t.Fatal(err)
			}
			if !test.edited {
				digest, _, err := ingest.Digest(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				last[0].SHA256 = fmt.Sprintf("%x", digest)
			}
		}
		if same, err := l.unchanged(t.Context(), last); err != nil || same == test.again {
			t.Errorf("%s: unchanged %t, %v", sentence, same, err)
		}
		err := readLists(t.Context(), l, last)
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v, and should say %q", sentence, err, test.err)
		}
		if want := int64(strings.Count(test.text, "?\n")); err == nil && (l.read[0].Unreadable != want || l.read[0].Rules != listRules) {
			t.Errorf("%s: noted %+v", sentence, l.read[0])
		}
	}
}

// readLists reads the people of lists to the end.
func readLists(ctx context.Context, l *Lists, last []plan.ListRead) error {
	for _, err := range l.people(ctx, last) {
		if err != nil {
			return err
		}
	}
	return nil
}

// A list that names fewer people than it did is refused, however many rows it has.
func TestAListWithFewerPeopleIsRefused(t *testing.T) {
	const one, three = "nhs_number\n9990000018\n9990000018\n999 000 0018\n", "nhs_number\n9990000018\n9990000026\n9990000034\n9990000034\n"
	for sentence, test := range map[string]struct {
		rules   int
		text    string
		refused bool
		people  int64
	}{
		"one person three times, of three":       {2, one, true, 0},
		"all three, one of them twice":           {2, three, false, 3},
		"rows were counted, and are as many now": {1, one, false, 1},
	} {
		path := filepath.Join(t.TempDir(), "list.csv")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		l := &Lists{Of: []campaign.List{{File: path, Reason: "deceased"}}, Log: slog.New(slog.DiscardHandler)}
		err := readLists(t.Context(), l, []plan.ListRead{{File: path, Reason: "deceased", People: 3, Rules: test.rules}})
		if test.refused != (err != nil) || test.refused && !strings.Contains(err.Error(), "list.csv names 1 people and named 3") {
			t.Errorf("%s: %v", sentence, err)
		}
		if err == nil && l.read[0].People != test.people {
			t.Errorf("%s: noted %+v", sentence, l.read[0])
		}
	}
}

func TestDistinct(t *testing.T) {
	var d distinct
	for i := range 10000 {
		d.add(person.NHSNumber(9000000000 + 10*(i*7919%3000)))
	}
	if n := d.count(); n != 3000 || cap(d.heads) > 8192 {
		t.Errorf("%d numbers, in room for %d", n, cap(d.heads))
	}
}
