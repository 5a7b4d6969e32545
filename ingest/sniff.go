package ingest

import "bytes"

// sniffed is how much of a file's start is looked at before its header is read.
const sniffed = 64 << 10

// kind is what the first bytes of a file say it is.
type kind string

const (
	kindText        kind = "text" // or something that sniff refuses
	kindGzip        kind = compGzip
	kindZstd        kind = compZstd
	kindZip         kind = compZip
	kindParquet     kind = "Parquet"
	kindArrowFile   kind = "Arrow"
	kindArrowStream kind = "Arrow stream"
)

// skippableFrame says whether a zstd file begins with a frame that holds none of its text, as
// pzstd writes one before each of the others.
func skippableFrame(start []byte) bool {
	return len(start) >= 4 && start[0]&0xf0 == 0x50 && string(start[1:4]) == "\x2a\x4d\x18"
}

func told(start []byte) kind {
	if skippableFrame(start) {
		return kindZstd
	}
	for _, k := range []struct {
		start string
		kind  kind
	}{
		{"\x1f\x8b", kindGzip},
		{"\x28\xb5\x2f\xfd", kindZstd},
		{"PK\x03\x04", kindZip},
		{"PK\x05\x06", kindZip}, // an empty one
		{"PAR1", kindParquet},
		{"ARROW1", kindArrowFile},
		{"\xff\xff\xff\xff", kindArrowStream},
	} {
		// A header line may begin with PAR1 or ARROW1 too: a byte that no text has settles it.
		if bytes.HasPrefix(start, []byte(k.start)) && !plain(start[:min(len(start), 16)]) {
			return k.kind
		}
	}
	return kindText
}

func (k kind) article() string {
	if k == kindArrowFile || k == kindArrowStream {
		return "an " + string(k)
	}
	return "a " + string(k)
}

// may says whether a file of this kind can be what cohort.format.type says.
func (k kind) may(said string) bool {
	switch said {
	case typeParquet:
		return k == kindParquet
	case typeArrow:
		return k == kindArrowFile || k == kindArrowStream
	}
	return k == kindText
}

// magics are the first bytes of files that are often sent in place of a cohort.
var magics = []struct{ start, problem, fix string }{
	{"\xfd7zXZ\x00", "this is an xz file", "decompress it first (unxz)"},
	{"BZh", "this is a bzip2 file", "decompress it first (bunzip2)"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "this is an Excel workbook (xls)", "save the sheet as CSV UTF-8"},
	{"%PDF-", "this is a PDF file", "ask the sender for the cohort as CSV"},
	{"{", "this is JSON", "ask the sender for the cohort as CSV"},
	{"[{", "this is JSON", "ask the sender for the cohort as CSV"},
	{"<", "this is an HTML page or XML", "ask the sender for the cohort as CSV; a sign-in page may have come in its place"},
}

// sniff tells from the first bytes of a file that is none of the kinds whether it is
// something other than text in UTF-8. A nil error promises nothing about what follows.
// whole says that start is all of the file.
func sniff(start []byte, whole bool) *FileError {
	if len(start) > sniffed {
		start, whole = start[:sniffed], false
	}
	for _, m := range magics {
		// BZh and the like could begin a header: only a byte that no text has settles it.
		if bytes.HasPrefix(start, []byte(m.start)) && (m.start != "BZh" || !plain(start[:min(len(start), 16)])) {
			return &FileError{Problem: m.problem, Fix: m.fix}
		}
	}
	text := bytes.TrimPrefix(start, []byte(bom))
	if len(text) == 0 {
		return &FileError{Problem: "the file is empty", Fix: "ask the sender for the file again"}
	}
	head, _, found := bytes.Cut(text, []byte{'\n'})
	if bytes.IndexByte(head, 0) >= 0 {
		if len(text) > 3 && (text[0] == 0) != (text[1] == 0) && (text[2] == 0) == (text[0] == 0) && (text[3] == 0) == (text[1] == 0) {
			return &FileError{Problem: "this looks like a UTF-16 text file", Fix: "set cohort.format.encoding: utf-16le (or utf-16be), or save it as UTF-8"}
		}
		return &FileError{Problem: "this is a binary file, not text", Fix: "export the cohort as CSV"}
	}
	if cr := bytes.IndexByte(head, '\r'); !found && cr >= 0 && (cr < len(head)-1 || !whole) {
		return &FileError{Line: 1, Problem: "the lines end in a carriage return alone", Fix: "save the file with LF or CRLF line ends"}
	}
	return nil
}

const bom = "\xef\xbb\xbf"

// plain says whether b holds printable ASCII and line ends only.
func plain(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}
