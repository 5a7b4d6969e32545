package file

import (
	"io"
	"slices"
	"unicode/utf8"

	"cohort/ingest/format"
)

// doubted is a text that is said to be in Windows-1252. Where all of it is UTF-8, and not
// ASCII alone, it is refused at its end: hardly any text in Windows-1252 looks like that.
type doubted struct {
	src   io.Reader
	begun []byte // a character whose end is still to come
	wide  bool   // it has characters beyond ASCII
	sure  bool   // it is no UTF-8
}

func (d *doubted) Read(p []byte) (int, error) {
	n, err := d.src.Read(p)
	if !d.sure {
		text := slices.Concat(d.begun, p[:n])
		end := max(0, len(text)-utf8.UTFMax+1)
		for end < len(text) && (!utf8.RuneStart(text[end]) || utf8.FullRune(text[end:])) {
			end++
		}
		d.begun, text = text[end:], text[:end]
		d.sure = !utf8.Valid(text)
		d.wide = d.wide || utf8.RuneCount(text) < len(text)
	}
	if err == io.EOF && d.wide && !d.sure && len(d.begun) == 0 {
		return n, &format.FileError{
			Problem: "the whole file is UTF-8 with letters beyond ASCII, and cohort.format.encoding is windows-1252",
			Fix:     "take that encoding out of the campaign; if the file is in Windows-1252 after all, say cohort.encoding_checked: true",
		}
	}
	return n, err
}
