package format

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Format describes a file. Where a caller leaves an entry empty, the content
// decides. The format of an opened file has every entry that applies.
type Format struct {
	Type        string // csv (whatever the delimiter), mesh, nbss, parquet or arrow; a caller may also say tsv
	Compression string // gzip, zstd or zip; a caller never sets it
	Delimiter   string // one ASCII character
	Encoding    string // utf-8, utf-16le, utf-16be or windows-1252; a caller may also say utf-16, for a file with a byte order mark
	Header      *bool  // whether the first line names the columns; nil: it does
}

// The values of Format.
const (
	TypeCSV, typeTSV, TypeMESH, TypeNBSS, TypeParquet, TypeArrow = "csv", "tsv", "mesh", "nbss", "parquet", "arrow"
	Gzip, Zstd, Zip                                              = "gzip", "zstd", "zip"
	UTF8, UTF16, UTF16LE, UTF16BE, Windows1252                   = "utf-8", "utf-16", "utf-16le", "utf-16be", "windows-1252"
)

// Settled checks a format and returns it in lower case, with tsv as csv.
func (f Format) Settled() (Format, error) {
	f.Type, f.Encoding = strings.ToLower(f.Type), strings.ToLower(f.Encoding)
	if f.Type == typeTSV {
		f.Type = TypeCSV
		if f.Delimiter == "" {
			f.Delimiter = "\t"
		}
	}
	if !slices.Contains([]string{"", TypeCSV, TypeMESH, TypeNBSS, TypeParquet, TypeArrow}, f.Type) {
		return f, fmt.Errorf("ingest: cohort.format.type is %q; it can be csv, tsv, mesh, nbss, parquet or arrow", f.Type)
	}
	if !slices.Contains([]string{"", UTF8, UTF16, UTF16LE, UTF16BE, Windows1252}, f.Encoding) {
		return f, fmt.Errorf("ingest: cohort.format.encoding is %q; it can be utf-8, utf-16, utf-16le, utf-16be or windows-1252", f.Encoding)
	}
	if d := f.Delimiter; d != "" && !isDelimiter(d) {
		return f, fmt.Errorf("ingest: cohort.format.delimiter is %q; it must be one ASCII character, but no quote, line end, letter or digit", d)
	}
	return f, nil
}

func isDelimiter(d string) bool {
	c := rune(d[0])
	return len(d) == 1 && c <= '~' && !strings.ContainsRune("\"\r\n\x00", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c)
}

// Headed reports whether the first line is to name the columns.
func (f Format) Headed() bool { return f.Header == nil || *f.Header }
