package engine

import (
	"crypto/aes"
	"crypto/sha256"
	"strings"
	"testing"

	"cohort/ingest/person"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// The references are part of the format: a replay by another version of the program
// must carry the same ones. A change here is a change that sends people twice.
func TestReferencesAreAsTheyAlwaysWere(t *testing.T) {
	keyed, older := aRun.References(), aRun.OlderReferences()
	for sentence, test := range map[string]struct{ got, want string }{
		"the run":                                {aRun.String(), "6f96406591ae8e70344cee8003712adc"},
		"the run, short":                         {aRun.Short(), "6f964065"},
		"a run on a real service":                {NewRunID("bowel-screening", [32]byte{0xAB, 31: 0xCD}, "notify https://int.api.service.nhs.uk/comms").String(), "00442291c1e07b600c086b61742e7001"},
		"the first batch":                        {keyed.Batch(0, 0, 0, 0).String(), "60f69b89-dcff-86d1-bf3c-c46cfadc3b23"},
		"a batch":                                {keyed.Batch(63, 70_000, 0, 0).String(), "50b11a1e-6cbe-8d84-b6d8-de58678f4c5a"},
		"a part of a revision of it":             {keyed.Batch(63, 70_000, 2, 1).String(), "0325ec04-7784-85ca-b2f8-dfad09d0b240"},
		"the first message":                      {keyed.Message(1).String(), "5b92405d-1089-85ed-8725-510887a6da25"},
		"the last message of 3,400,000":          {keyed.Message(3_400_000).String(), "3f2b3443-cd52-8b9f-9319-44015ef32a82"},
		"the second file":                        {keyed.File(2).String(), "76b9434f-46fd-86f9-ae19-2880e5007a8a"},
		"the first batch of a plan of version 2": {older.Batch(0, 0, 0, 0).String(), "97e43c1e-0d06-80fc-ad75-0428ad972ed1"},
		"a batch of a plan of version 2":         {older.Batch(63, 70_000, 0, 0).String(), "6681d37a-cf1e-84f1-81fa-b92021b13ad0"},
		"a part of a revision of it in a plan of version 2":    {older.Batch(63, 70_000, 2, 1).String(), "6e6070b2-6cd3-84d0-9b3a-969d28552bad"},
		"the first message of a plan of version 2":             {older.Message(1).String(), "a607421f-0966-8867-86e0-459ab8938d1a"},
		"the last message of 3,400,000 in a plan of version 2": {older.Message(3_400_000).String(), "99adf2ed-3bb7-8bde-9e07-0496fc7fd0ab"},
		"the second file of a plan of version 2":               {older.File(2).String(), "b6b68808-bcef-8174-a025-a309720dd18d"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", sentence, test.got, test.want)
		}
	}
}

// A reference is the place, encrypted by AES-128. Any tool that has AES can say so.
func TestAReferenceIsABlockOfAES(t *testing.T) {
	key := sha256.Sum256([]byte("cohort references 1 " + string(aRun[:])))
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		t.Fatal(err)
	}
	refs := aRun.References()
	for want, at := range map[Reference][16]byte{
		refs.Message(0x0807060504030201):                   {'M', 1, 2, 3, 4, 5, 6, 7, 8},
		refs.Batch(0x04030201, 0x08070605, 0x0A09, 0x0C0B): {'B', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		refs.File(0x04030201):                              {'F', 1, 2, 3, 4},
	} {
		block.Encrypt(at[:], at[:])
		at[6], at[8] = at[6]&0x0F|0x80, at[8]&0x3F|0x80
		if got := uuid.UUID(at).String(); got != want.String() {
			t.Errorf("%x is %s, not %s", at, got, want)
		}
	}
}

func TestABatchReferenceGivesItsForm(t *testing.T) {
	refs, other := aRun.References(), RunID{1}.References()
	rapid.Check(t, func(t *rapid.T) {
		lane, batch := person.Lane(rapid.Uint32().Draw(t, "lane")), rapid.Uint32().Draw(t, "batch")
		revision, part := rapid.Uint16().Draw(t, "revision"), rapid.Uint16().Draw(t, "part")
		text := refs.Batch(lane, batch, revision, part).String()
		if l, b, r, p, ok := refs.Form(text); !ok || l != lane || b != batch || r != revision || p != part {
			t.Fatalf("%s of %d %d %d %d is of %d %d %d %d, %v", text, lane, batch, revision, part, l, b, r, p, ok)
		}
		for _, strange := range []string{
			refs.Message(int64(batch)).String(), refs.File(batch).String(), strings.ReplaceAll(text, "-", ""), text[1:],
			aRun.OlderReferences().Batch(lane, batch, revision, part).String(),
		} {
			if _, _, _, _, ok := refs.Form(strange); ok {
				t.Fatalf("%s is of a batch", strange)
			}
		}
		if l, b, r, p, ok := other.Form(text); ok && l == lane && b == batch && r == revision && p == part {
			t.Fatal("another run has the reference")
		}
	})
	if _, _, _, _, ok := aRun.OlderReferences().Form(aRun.OlderReferences().Batch(1, 2, 3, 4).String()); ok {
		t.Error("a hash gives a form")
	}
}

func TestAMessageReferenceGivesItsRow(t *testing.T) {
	refs, other := aRun.References(), RunID{1}.References()
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.OneOf(rapid.Int64Range(0, 4_000_000), rapid.Int64()).Draw(t, "row")
		text := refs.Message(row).String()
		if got, ok := refs.Row(text); !ok || got != row {
			t.Fatalf("%s of row %d is of row %d, %v", text, row, got, ok)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		for sentence, strange := range map[string]string{
			"another run's":        other.Message(row).String(),
			"an older plan's":      aRun.OlderReferences().Message(row).String(),
			"a batch's":            refs.Batch(person.Lane(row), uint32(row), 0, 0).String(),
			"a file's":             refs.File(uint32(row)).String(),
			"in capitals":          strings.ToUpper(text[:18]) + "A" + text[19:],
			"without hyphens":      strings.ReplaceAll(text, "-", ""),
			"cut short":            text[:at],
			"with a changed digit": text[:at] + string('0'+(text[at]-'0'+1)%10) + text[at+1:],
		} {
			if got, ok := refs.Row(strange); ok {
				t.Fatalf("%s, %s, is of row %d", strange, sentence, got)
			}
		}
	})
	if _, ok := aRun.OlderReferences().Row(aRun.OlderReferences().Message(1).String()); ok {
		t.Error("an older reference gives a row")
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
		for _, refs := range []References{aRun.References(), aRun.OlderReferences()} {
			if r := refs.Message(row).String(); !uuid8(r) {
				t.Fatal(r)
			}
			if r := refs.Batch(person.Lane(row), 1, 2, 3).String(); !uuid8(r) {
				t.Fatal(r)
			}
		}
	}
}

type thing struct {
	run            RunID
	older          bool // with references of plan version 1 and 2
	shard, batch   uint32
	revision, part uint16
	row            int64
	isMessage      bool
}

func (p thing) reference() Reference {
	refs := p.run.References()
	if p.older {
		refs = p.run.OlderReferences()
	}
	if p.isMessage {
		return refs.Message(p.row)
	}
	return refs.Batch(person.Lane(p.shard), p.batch, p.revision, p.part)
}

// Two forms share a reference only if they are the same form, also where the numbers
// that name them are much alike.
func TestNoTwoFormsShareAReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Uint32Range(0, 3)
		any16 := rapid.OneOf(rapid.Uint16Range(0, 3), rapid.Uint16())
		any32 := rapid.OneOf(small, rapid.Uint32())
		draw := rapid.Custom(func(t *rapid.T) thing {
			p := thing{run: aRun, older: rapid.Bool().Draw(t, "older")}
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
		seen := map[Reference]thing{}
		for _, p := range rapid.SliceOfN(draw, 2, 50).Draw(t, "places") {
			r := p.reference()
			if other, ok := seen[r]; ok && other != p {
				t.Fatalf("%+v and %+v are both %s", p, other, r)
			}
			seen[r] = p
		}
	})
}
