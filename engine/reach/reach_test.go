package reach

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/ingest/person"
)

func must(t interface{ Fatal(...any) }, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// day makes an empty day.
func day(t *testing.T) *Day {
	d := Open(filepath.Join(t.TempDir(), "register", "reach"), "a service", noon)
	must(t, d.Make())
	return d
}

// fixed fixes a day.
func fixed(t interface {
	Fatal(...any)
	Cleanup(func())
}, d *Day, path string) *Fixed {
	digest, err := d.Fix(path)
	must(t, err)
	x, err := OpenFixed(path)
	must(t, err)
	if x.Digest != digest || x.Day != d.Date() {
		t.Fatal("digest or day is another")
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func TestWhatIsAnODSCode(t *testing.T) {
	for value, want := range map[string]string{
		"A81001": "A81001", " a81001\t": "A81001", "X26": "X26", "T00001": "T00001",
		"": "", "X2": "", "A81001B8100": "", "A81/01": "", "../etc": "", "A 81001": "", "É81001": "",
		"SMITH": "", "9990000018": "", "20261125": "",
	} {
		if code, ok := Code(value); ok != (want != "") || ok && code != want {
			t.Errorf("%q is %q, %v", value, code, ok)
		}
	}
}

func TestADayOfReports(t *testing.T) {
	d := day(t)
	path := filepath.Join(t.TempDir(), "fixed")
	if _, err := d.Fix(path); !errors.Is(err, ErrNone) {
		t.Errorf("nothing was fetched: %v", err)
	}
	must(t, d.Put("A81001", Reported, []User{{9990000069, false}, {9990000018, true}, {9990000026, false}, {9990000026, true}, {9990000026, false}}))
	must(t, d.Put("A81002", Missing, nil))
	must(t, d.Put("A81003", Refused, nil))
	must(t, d.Put("A81004", Reported, nil))
	must(t, d.Put("A81005", Reported, []User{{9990000018, false}}))
	must(t, os.WriteFile(filepath.Join(d.path, "A81006.users.tmp"), []byte("not whole"), 0o600))
	if got := d.Without([]string{"A81009", "A81006", "A81001", "A81002"}); !slices.Equal(got, []string{"A81006", "A81009"}) {
		t.Errorf("not asked about: %v", got)
	}
	x := fixed(t, d, path)
	for _, row := range []struct {
		practice string
		number   person.NHSNumber
		want     Answer
	}{
		{"A81001", 9990000018, Notifications}, {"A81001", 9990000026, Notifications}, {"A81001", 9990000069, Yes}, {"A81001", 9990000034, No},
		{"A81001", 10, No}, {"A81001", 9999999999, No}, {" a81001 ", 9990000018, Notifications},
		{"A81002", 9990000018, Unknown}, {"A81003", 9990000018, Unknown}, {"A81004", 9990000018, No}, {"A81005", 9990000018, Yes},
		{"", 9990000018, Unknown}, {"none", 9990000018, Unknown}, {"B81002", 9990000018, Unknown}, {"b81001", 9990000018, Unknown}, {"B81001", 9990000018, Unknown},
	} {
		if got := x.Of([]byte(row.practice), row.number); got != row.want {
			t.Errorf("%q, %s: %s, not %s", row.practice, row.number, got, row.want)
		}
	}
	if got := x.Practices(); got[Reported] != 3 || got[Missing] != 1 || got[Refused] != 1 {
		t.Errorf("practices: %v", got)
	}
	if got := x.Unasked(); !slices.Equal(got, []string{"B81001", "B81002"}) {
		t.Errorf("not asked about: %v", got)
	}
	for code, want := range map[string]State{"A81001": Reported, "A81002": Missing, "A81003": Refused} {
		if state, err := d.State(code); err != nil || state != want {
			t.Errorf("%s: %s, %v", code, state, err)
		}
	}
	must(t, filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		info, _ := e.Info()
		if mode := info.Mode().Perm(); e.IsDir() && mode != 0o700 || !e.IsDir() && mode != 0o600 {
			t.Errorf("%s has mode %o", path, mode)
		}
		return err
	}))
}

// Two services keep their reports apart, the days before are taken away, and the days of
// other services' reports are the same days.
func TestDaysAndServices(t *testing.T) {
	d := day(t)
	must(t, d.Put("A81001", Reported, []User{{9990000018, true}}))
	other := Open(d.root, "another service", noon)
	if other.Has("A81001") || !d.Has("A81001") {
		t.Error("one service has the other's report")
	}
	tomorrow := Open(d.root, "a service", noon.Add(12*time.Hour)) // midnight
	if tomorrow.Has("A81001") || tomorrow.Date() != "2026-11-26" {
		t.Error("tomorrow has today's report")
	}
	if late := Open(d.root, "a service", noon.Add(12*time.Hour-1).In(time.FixedZone("", 14*3600))); !late.Has("A81001") {
		t.Error("a day is not UTC's")
	}
	must(t, os.Mkdir(filepath.Join(d.root, "2026-11-27"), 0o700))
	must(t, os.Mkdir(filepath.Join(d.root, "a folder"), 0o700))
	must(t, tomorrow.Sweep())
	must(t, tomorrow.Make())
	if d.Has("A81001") {
		t.Error("yesterday's report is still there")
	}
	must(t, Open(filepath.Join(d.root, "nowhere"), "a service", noon).Sweep())
	for name, want := range map[string]bool{"2026-11-26": true, "2026-11-27": false, "a folder": true} {
		if _, err := os.Stat(filepath.Join(d.root, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, tomorrow.Put("A81001", Missing, nil))
	if any, err := tomorrow.AnyReported(); any || err != nil {
		t.Errorf("%v, %v", any, err)
	}
	must(t, tomorrow.Put("A81002", Reported, nil))
	must(t, tomorrow.Forget([]string{"A81001", "A81003"}))
	if any, err := tomorrow.AnyReported(); !any || err != nil || tomorrow.Has("A81001") || !tomorrow.Has("A81002") {
		t.Errorf("%v, %v", any, err)
	}
}

// Every byte of a file that is another, and every end that is missing, is noticed.
func TestDamageIsNoticed(t *testing.T) {
	d := day(t)
	must(t, d.Put("A81001", Reported, []User{{9990000018, true}, {9990000026, false}}))
	must(t, d.Put("A81002", Missing, nil))
	path := filepath.Join(t.TempDir(), "fixed")
	fixed(t, d, path)
	whole, err := os.ReadFile(path)
	must(t, err)
	try := func(what string, text []byte) {
		damaged := filepath.Join(t.TempDir(), "damaged")
		must(t, os.WriteFile(damaged, text, 0o600))
		if x, err := OpenFixed(damaged); err == nil {
			t.Errorf("%s was not noticed", what)
			_ = x.Close()
		} else if strings.Contains(err.Error(), "999000") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range whole {
		spoilt := slices.Clone(whole)
		spoilt[i] ^= 1 << (i % 8)
		try(fmt.Sprintf("byte %d", i), spoilt)
		try(fmt.Sprintf("the end at %d", i), whole[:i])
	}
	try("a byte too many", append(slices.Clone(whole), 0))
	must(t, os.WriteFile(d.file("A81002"), []byte("spoilt"), 0o600))
	if _, err := d.Fix(path); err == nil || !strings.Contains(err.Error(), "A81002.users cannot be read") {
		t.Errorf("a day with a damaged report: %v", err)
	}
	must(t, os.Rename(d.file("A81001"), d.file("A81002")))
	if _, err := d.Fix(path); err == nil || !strings.Contains(err.Error(), "it belongs to another practice") {
		t.Errorf("a report under another's name: %v", err)
	}
}

// What is looked up is what was put in, whatever that is.
func TestLookingUpIsLikeAMap(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		d := Open(filepath.Join(root, fmt.Sprint(n)), "a service", noon)
		must(t, d.Make())
		want := map[string]map[person.NHSNumber]Answer{}
		for p := range rapid.IntRange(1, 4).Draw(t, "practices") {
			code := fmt.Sprintf("A%02d", p)
			want[code] = map[person.NHSNumber]Answer{}
			var users []User
			for range rapid.IntRange(0, 30).Draw(t, "users") {
				u := User{person.NHSNumber(rapid.Uint64Range(0, 40).Draw(t, "number")), rapid.Bool().Draw(t, "notifications")}
				users = append(users, u)
				if u.Notifications || want[code][u.Number] == Notifications {
					want[code][u.Number] = Notifications
				} else {
					want[code][u.Number] = Yes
				}
			}
			must(t, d.Put(code, Reported, users))
		}
		x := fixed(t, d, filepath.Join(d.path, "fixed"))
		for code, users := range want {
			for number := range person.NHSNumber(42) {
				expected := No
				if a := users[number]; a != "" {
					expected = a
				}
				if got := x.Of([]byte(code), number); got != expected {
					t.Errorf("%s, %d: %s, not %s", code, number.Uint64(), got, expected)
				}
			}
		}
	})
}
