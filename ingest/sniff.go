package ingest

import "bytes"

// sniffed is how much of a file's start is looked at before its header is read.
const sniffed = 64 << 10

// magics are the first bytes of files that are often sent in place of a CSV.
var magics = []struct{ start, problem, fix string }{
	{"\x1f\x8b", "this is a gzip file", "decompress it first (gunzip)"},
	{"\x28\xb5\x2f\xfd", "this is a zstd file", "decompress it first (unzstd)"},
	{"\xfd7zXZ\x00", "this is an xz file", "decompress it first (unxz)"},
	{"BZh", "this is a bzip2 file", "decompress it first (bunzip2)"},
	{"PAR1", "this is a Parquet file", "export the cohort as CSV"},
	{"ARROW1", "this is an Arrow file", "export the cohort as CSV"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "this is an Excel workbook (xls)", "save the sheet as CSV UTF-8"},
	{"%PDF-", "this is a PDF file", "ask the sender for the cohort as CSV"},
	{"\xff\xfe", "this is a UTF-16 text file", "save it as UTF-8"},
	{"\xfe\xff", "this is a UTF-16 text file", "save it as UTF-8"},
}

// sniff tells from the first bytes of a file whether it is something other than a
// CSV in UTF-8. A nil error promises nothing about what follows. line is where the
// problem shows; whole says that start is all of the file.
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
	if bytes.HasPrefix(start, []byte("PK\x03\x04")) {
		if bytes.Contains(start, []byte("xl/")) || bytes.Contains(start, []byte("[Content_Types].xml")) {
			return &FileError{Problem: "this is an Excel workbook (xlsx)", Fix: "save the sheet as CSV UTF-8"}
		}
		return &FileError{Problem: "this is a zip file", Fix: "unzip it first"}
	}
	text := bytes.TrimPrefix(start, []byte(bom))
	if len(text) == 0 {
		return &FileError{Problem: "the file is empty", Fix: "ask the sender for the file again"}
	}
	head, _, found := bytes.Cut(text, []byte{'\n'})
	if bytes.IndexByte(head, 0) >= 0 {
		if len(text) > 3 && (text[0] == 0) != (text[1] == 0) && (text[2] == 0) == (text[0] == 0) && (text[3] == 0) == (text[1] == 0) {
			return &FileError{Problem: "this looks like a UTF-16 text file", Fix: "save it as UTF-8"}
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
