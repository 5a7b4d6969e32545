package format

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"cohort/ingest/person"
)

// FuzzTextual holds the check of a record's bytes against the standard library.
func FuzzTextual(f *testing.F) {
	for _, seed := range []string{"", "plain", "Zo\xc3\xab and seven more", "\x00", "1234567\x00", "\xff", "12345678\xe2\x82", "\xef\xbf\xbd", "\xc3\xab\x00", "\x01\x00\x01\x01\x01\x01\x01\x01",
		"seven ch\x7f", "a C1 \xc2\x80 and\xc2\xa0", "lines\r\n\t of \xe2\x80\xa8 texts \xe2\x81\xa6", "a control \x1f far behind the first thirty-two", "\x80\x1f"} {
		f.Add([]byte(seed))
	}
	for at := range 40 {
		text := bytes.Repeat([]byte{'a'}, 40)
		text[at] = 0xff
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		valid, nul, plain := CheckText(text)
		if valid != utf8.Valid(text) || valid && (nul != (bytes.IndexByte(text, 0) >= 0) || plain == person.HasControl(text)) {
			t.Fatalf("%q: %v, %v, %v", text, valid, nul, plain)
		}
	})
}
