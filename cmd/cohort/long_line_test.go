package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"cohort/engine/refusal"
)

// The program refuses an endless line of 2 GiB, packed or plain, and names the line. It needs no
// more memory than for any other file.
func TestALineOfTwoGibibytesIsRefusedInBoundedMemory(t *testing.T) {
	const (
		piece  = 16 << 20
		pieces = 128
		most   = 256 << 20 // of writable memory, in use or not
	)
	w := newWorld(t)
	w.service = "127.0.0.1:1"
	w.campaign("")
	if o := w.within(8<<20, "--version"); o.code == 0 {
		t.Skip("this system sets no limit to a process's memory")
	}
	good := "nhs_number,given_name,appointment_date,clinic_name\n"
	for _, n := range Numbers(1000) {
		good += n + ",Ann,2027-01-05,\"East\nWing\"\n"
	}
	// Members of gzip and frames of zstd may follow one another, so that the whole need not
	// be packed.
	repeated := func(pack func(string) string, before, text string) string {
		return pack(before) + strings.Repeat(pack(strings.Repeat(text, piece/len(text))), pieces)
	}
	const long = "people.csv:2002: a record is longer than 1 MiB; make sure that this is a CSV with one record a line"
	for sentence, test := range map[string]struct{ file, said string }{
		"letters in gzip, from the first byte on": {repeated(gzipOf, "", "a"), "people.csv:1: a record is longer than 1 MiB"},
		"letters in gzip, behind good records":    {repeated(gzipOf, good, "a"), long},
		"letters in zstd, behind good records":    {repeated(zstdOf, good, "a"), long},
		"delimiters in zstd":                      {repeated(zstdOf, good, ","), long},
		"an open quote, and lines in it":          {repeated(gzipOf, good+`x,"`, "a\n"), "people.csv:2002: a quote is opened and not closed within 1 MiB"},
		"UTF-16 in gzip":                          {repeated(gzipOf, "\xff\xfe"+utf16Of(good, binary.LittleEndian), "a\x00"), long},
		"carriage returns alone":                  {repeated(gzipOf, good, "a\r"), "people.csv:2002: a record is longer than 1 MiB and holds carriage returns alone; save the file with LF or CRLF line ends"},
		"a hole in a plain file":                  {good, long},
	} {
		t.Run(sentence, func(t *testing.T) {
			w.t = t
			w.write("people.csv", test.file)
			calls := [][]string{{"check", "-c", "campaign.yaml", "people.csv"}, {"send", "-c", "campaign.yaml", "people.csv", "--simulate"}}
			if test.file == good {
				if err := os.Truncate(w.path("people.csv"), piece*pieces); err != nil {
					t.Fatal(err)
				}
				calls = calls[:1] // a send would first read all of it for its digest
			}
			for _, call := range calls {
				o := w.within(most, call...)
				if o.code != refusal.ExitRefused || !strings.Contains(o.stderr, test.said) {
					t.Errorf("%s: exit %d\n%s", call[0], o.code, o.stderr)
				}
			}
			if _, err := os.Stat(w.path("runs")); err == nil {
				if left := Must(os.ReadDir(w.path("runs"))); len(left) > 0 {
					t.Errorf("a file that is refused leaves %d folders", len(left))
				}
			}
		})
	}
}

// within runs the binary with a limit on its writable memory. Beyond the limit it dies. (The peak of
// a child cannot be read afterwards: it includes the memory of the parent.)
func (w *world) within(bytes int, args ...string) exited {
	w.t.Helper()
	binary := w.binary
	defer func() { w.binary = binary }()
	w.binary = "/bin/sh"
	return w.run(append([]string{"-c", fmt.Sprintf(`ulimit -d %d && exec "$0" "$@"`, bytes>>10), binary}, args...)...)
}
