package file

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"cohort/ingest/format"

	"golang.org/x/text/encoding/charmap"
)

// encodingOf detects a text file's encoding from its byte order mark, or compares the mark
// with what the campaign says. Windows-1252 is never guessed.
func encodingOf(head []byte, whole bool, said string) (string, error) {
	mark := ""
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(head, []byte("\x00\x00\xfe\xff")):
		return "", &format.FileError{Problem: "this is a UTF-32 text file", Fix: "save it as UTF-8"}
	case bytes.HasPrefix(head, []byte(format.BOM)):
		mark = format.UTF8
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		mark = format.UTF16LE
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		mark = format.UTF16BE
	}
	wide := said == format.UTF16LE || said == format.UTF16BE || said == format.UTF16
	switch {
	case mark != "" && (said == "" || said == mark || said == format.UTF16 && mark != format.UTF8):
		return mark, nil
	case mark != "":
		return "", &format.FileError{Problem: "the file begins with the mark of " + mark + ", and cohort.format.encoding is " + said, Fix: "correct the campaign, or save the file in that encoding"}
	case said == format.UTF16:
		return "", &format.FileError{Problem: "the file has no byte order mark, and cohort.format.encoding is utf-16", Fix: "set it to utf-16le or utf-16be"}
	case wide && len(head) > 1 && bytes.IndexByte(head, 0) < 0:
		return "", &format.FileError{Problem: "the content is not UTF-16, and cohort.format.encoding is " + said, Fix: "correct the campaign, or ask the sender for the right file"}
	case said == "":
		return format.UTF8, nil
	}
	return said, nil
}

// decoded makes UTF-8 of a text. What cannot be decoded becomes a byte that is not UTF-8, so
// that only its record is refused. The decoders of x/text would write U+FFFD instead, which a
// file may hold itself; only the table of Windows-1252 is from there.
func decoded(r io.Reader, encoding string) io.Reader {
	switch encoding {
	case format.Windows1252:
		return &decoder{src: r, decode: decode1252}
	case format.UTF16LE:
		return &decoder{src: r, decode: func(dst, src []byte) ([]byte, int) { return decode16(dst, src, binary.LittleEndian) }}
	case format.UTF16BE:
		return &decoder{src: r, decode: func(dst, src []byte) ([]byte, int) { return decode16(dst, src, binary.BigEndian) }}
	}
	return r
}

// undecodable replaces what cannot be decoded.
const undecodable = 0xFF

// decoder reads UTF-8 out of another encoding.
type decoder struct {
	src    io.Reader
	decode func(dst, src []byte) (_ []byte, used int)
	in     []byte // not yet decoded
	out    []byte // decoded; not yet taken from at on
	at     int
	err    error
}

func (d *decoder) Read(p []byte) (int, error) {
	for d.at == len(d.out) {
		if d.err != nil {
			return 0, d.err
		}
		if d.in == nil {
			d.in = make([]byte, 0, 32<<10)
		}
		n, err := d.src.Read(d.in[len(d.in):cap(d.in)])
		d.in = d.in[:len(d.in)+n]
		used := 0
		d.out, used = d.decode(d.out[:0], d.in)
		d.at = 0
		d.in = d.in[:copy(d.in, d.in[used:])]
		d.err = err
		if d.err == io.EOF && len(d.in) > 0 {
			d.err = &format.FileError{Problem: "the file ends in the middle of a UTF-16 character", Fix: "ask the sender for the file again"}
		}
		if n == 0 && d.err == nil {
			return 0, nil
		}
	}
	n := copy(p, d.out[d.at:])
	d.at += n
	return n, nil
}

func decode1252(dst, src []byte) ([]byte, int) {
	for _, c := range src {
		switch r := charmap.Windows1252.DecodeByte(c); {
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		case r < 0xA0, r == utf8.RuneError: // not assigned
			dst = append(dst, undecodable)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst, len(src)
}

func decode16(dst, src []byte, order binary.ByteOrder) ([]byte, int) {
	at := 0
	for ; at+2 <= len(src); at += 2 {
		r := rune(order.Uint16(src[at:]))
		if r < utf8.RuneSelf {
			dst = append(dst, byte(r))
			continue
		}
		if utf16.IsSurrogate(r) {
			if r < 0xDC00 && at+4 > len(src) {
				break // the other half is not read yet
			}
			if r < 0xDC00 {
				if pair := utf16.DecodeRune(r, rune(order.Uint16(src[at+2:]))); pair != utf8.RuneError {
					dst = utf8.AppendRune(dst, pair)
					at += 2
					continue
				}
			}
			dst = append(dst, undecodable)
			continue
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, at
}
