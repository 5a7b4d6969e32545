package format

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// FuzzTextual holds the check of a record's bytes against the standard library.
func FuzzTextual(f *testing.F) {
	for _, seed := range []string{"", "plain", "Zo\xc3\xab and seven more", "\x00", "1234567\x00", "\xff", "12345678\xe2\x82", "\xef\xbf\xbd", "\xc3\xab\x00", "\x01\x00\x01\x01\x01\x01\x01\x01"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		valid, nul := CheckText(text)
		if valid != utf8.Valid(text) || valid && nul != (bytes.IndexByte(text, 0) >= 0) {
			t.Fatalf("%q: %v, %v", text, valid, nul)
		}
	})
}
