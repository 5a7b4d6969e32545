package terminal

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Without a terminal a long reading is a line every ten seconds, and a short one none.
func TestReadingIsShownWhenItIsLong(t *testing.T) {
	for sentence, test := range map[string]struct {
		total int64
		lasts time.Duration
		lines []string
	}{
		"a short one":                     {1000, 9 * time.Second, nil},
		"a long one":                      {1000, 25 * time.Second, []string{"bytes=400 of=1000 per_second=40", "bytes=800 of=1000 per_second=40"}},
		"one whose length nobody can say": {0, 11 * time.Second, []string{"bytes=400 per_second=40"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var said bytes.Buffer
			began := time.Now()
			end := NewScreen(&said, nil).Follow("reading the cohort", test.total, func() int64 { return time.Since(began).Milliseconds() / 25 })
			time.Sleep(test.lasts)
			end()
			end() // once more is no harm
			lines := strings.Split(strings.TrimSuffix(said.String(), "\n"), "\n")
			if said.Len() == 0 {
				lines = nil
			}
			if len(lines) != len(test.lines) {
				t.Fatalf("%s: %q", sentence, lines)
			}
			for i, want := range test.lines {
				if !strings.HasSuffix(lines[i], `msg="reading the cohort" `+want) {
					t.Errorf("%s: %q, want %q", sentence, lines[i], want)
				}
			}
		})
	}
}

// On a terminal it is a bar from the second second on, which goes again and leaves the
// log where it was.
func TestReadingIsABarOnATerminal(t *testing.T) {
	for sentence, test := range map[string]struct {
		lasts time.Duration
		total int64
		drawn string // of the bar; empty: nothing is drawn
	}{
		"a short one":                     {900 * time.Millisecond, 1e9, ""},
		"a long one":                      {3 * time.Second, 1e9, "reading the cohort, 200.0 of 1000.0 MB"},
		"one whose length nobody can say": {3 * time.Second, 0, "reading the cohort, 200.0 MB"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var said bytes.Buffer
			s := NewScreen(&said, nil)
			s.terminal = true
			began := time.Now()
			end := s.Follow("reading the cohort", test.total, func() int64 { return time.Since(began).Milliseconds() * 1e5 })
			time.Sleep(test.lasts)
			synctest.Wait()
			end()
			if s.out.to != &said {
				t.Fatalf("%s: the log does not have its stream back", sentence)
			}
			if test.drawn == "" && said.Len() > 0 || !strings.Contains(said.String(), test.drawn) {
				t.Errorf("%s: %q", sentence, said.String())
			}
		})
	}
}
