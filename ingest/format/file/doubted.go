package file

import (
	"io"
	"slices"
	"unicode/utf8"

	"cohort/ingest/format"
)

// doubted reads a text that the campaign says is in Windows-1252. At its end it refuses the
// text when all of it is UTF-8 and not only ASCII: real Windows-1252 hardly ever looks so.
type doubted struct {
	src   io.Reader
	begun []byte // the start of an unfinished character
	wide  bool   // it has characters beyond ASCII
	sure  bool   // it is not UTF-8
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
			Fix:     "remove that encoding from the campaign; if the file really is in Windows-1252, set cohort.encoding_checked: true",
		}
	}
	return n, err
}
