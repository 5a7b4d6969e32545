package engine

import (
	"strings"
	"testing"

	"cohort/ingest/person"

	"pgregory.net/rapid"
)

// The references are part of the format: a replay by another version of the program
// must carry the same ones. A change here is a change that sends people twice.
func TestReferencesAreAsTheyAlwaysWere(t *testing.T) {
	for sentence, test := range map[string]struct{ got, want string }{
		"the run":                       {aRun.String(), "6f96406591ae8e70344cee8003712adc"},
		"the run, short":                {aRun.Short(), "6f964065"},
		"a run on a real service":       {NewRunID("bowel-screening", [32]byte{0xAB, 31: 0xCD}, "notify https://int.api.service.nhs.uk/comms").String(), "00442291c1e07b600c086b61742e7001"},
		"the first batch":               {aRun.BatchReference(0, 0, 0, 0).String(), "97e43c1e-0d06-80fc-ad75-0428ad972ed1"},
		"a batch":                       {aRun.BatchReference(63, 70_000, 0, 0).String(), "6681d37a-cf1e-84f1-81fa-b92021b13ad0"},
		"a part of a revision of it":    {aRun.BatchReference(63, 70_000, 2, 1).String(), "6e6070b2-6cd3-84d0-9b3a-969d28552bad"},
		"the first message":             {aRun.MessageReference(1).String(), "a607421f-0966-8867-86e0-459ab8938d1a"},
		"the last message of 3,400,000": {aRun.MessageReference(3_400_000).String(), "99adf2ed-3bb7-8bde-9e07-0496fc7fd0ab"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", sentence, test.got, test.want)
		}
	}
}

func TestRunIDs(t *testing.T) {
	seen := map[RunID]string{}
	for sentence, id := range map[string]RunID{
		"the run":                               aRun,
		"another campaign":                      NewRunID("b-campaign", [32]byte{1}, "notify simulator"),
		"another cohort":                        NewRunID("a-campaign", [32]byte{2}, "notify simulator"),
		"another service":                       NewRunID("a-campaign", [32]byte{1}, "notify https://example.nhs.uk"),
		"words moved from one part to the next": NewRunID("a-campaig", [32]byte{'n', 1}, "notify simulator"),
	} {
		if other, ok := seen[id]; ok {
			t.Errorf("%s has the id of %s", sentence, other)
		}
		seen[id] = sentence
		if back, err := ParseRunID(id.String()); err != nil || back != id {
			t.Errorf("%s: read back as %s, %v", sentence, back, err)
		}
	}
	for sentence, text := range map[string]string{
		"nothing": "", "too short": strings.Repeat("0", 31), "too long": strings.Repeat("0", 34), "no hexadecimal": strings.Repeat("x", 32),
	} {
		_, err := ParseRunID(text)
		wantError(t, sentence, err, "32 hexadecimal digits")
	}
}

// uuid8 holds a text to the form of a UUID of version 8 and of RFC 9562's variant.
func uuid8(text string) bool {
	for i, c := range text {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !strings.ContainsRune("0123456789abcdef", c):
			return false
		}
	}
	return len(text) == 36 && text[14] == '8' && strings.ContainsRune("89ab", rune(text[19]))
}

func TestReferencesAreUUIDsOfVersion8(t *testing.T) {
	for row := range int64(2000) {
		if r := aRun.MessageReference(row).String(); !uuid8(r) {
			t.Fatal(r)
		}
		if r := aRun.BatchReference(person.Lane(row), 1, 2, 3).String(); !uuid8(r) {
			t.Fatal(r)
		}
	}
}

type place struct {
	run            RunID
	shard, batch   uint32
	revision, part uint16
	row            int64
	isMessage      bool
}

func (p place) reference() Reference {
	if p.isMessage {
		return p.run.MessageReference(p.row)
	}
	return p.run.BatchReference(person.Lane(p.shard), p.batch, p.revision, p.part)
}

// Two forms share a reference only if they are the same form, also where the numbers
// that name them are much alike.
func TestNoTwoFormsShareAReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Uint32Range(0, 3)
		any16 := rapid.OneOf(rapid.Uint16Range(0, 3), rapid.Uint16())
		any32 := rapid.OneOf(small, rapid.Uint32())
		draw := rapid.Custom(func(t *rapid.T) place {
			p := place{run: aRun}
			if rapid.Bool().Draw(t, "other run") {
				p.run[15]++
			}
			if p.isMessage = rapid.Bool().Draw(t, "message"); p.isMessage {
				p.row = int64(any32.Draw(t, "row"))<<32 | int64(any32.Draw(t, "row"))
				return p
			}
			p.shard, p.batch = any32.Draw(t, "shard"), any32.Draw(t, "batch")
			p.revision, p.part = any16.Draw(t, "revision"), any16.Draw(t, "part")
			return p
		})
		seen := map[Reference]place{}
		for _, p := range rapid.SliceOfN(draw, 2, 50).Draw(t, "places") {
			r := p.reference()
			if other, ok := seen[r]; ok && other != p {
				t.Fatalf("%+v and %+v are both %s", p, other, r)
			}
			seen[r] = p
		}
	})
}
