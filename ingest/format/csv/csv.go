package csv

import (
	"cmp"
	"io"

	"cohort/ingest/format"
)

// Open opens a text in UTF-8: csv, mesh or nbss. It detects what said leaves open, and reads
// the header. An NBSS extract is read through ahead, because it is not read in chunks. The
// source of any other file is a *Sheet. Errors are a *FileError or those of r.
func Open(r io.Reader, said format.Format, ahead func(io.Reader) io.Reader) (format.Source, error) {
	t, err := newSheet(r)
	if err != nil {
		return nil, err
	}
	said.Delimiter = cmp.Or(said.Delimiter, t.skipPreamble())
	start, whole := t.start()
	if prefix := nbssPrefix(start); prefix != "" && (said.Type == "" || said.Type == format.TypeNBSS) {
		t.window.src = ahead(t.window.src)
		t.split.values.Comma = '|'
		return newNBSS(t, prefix)
	}
	wrong := &format.FileError{Line: 1, Fix: "correct the campaign, or ask the sender for the right file"}
	if said.Type == format.TypeNBSS {
		wrong.Problem = "there is no NBSS header record, and cohort.format.type is nbss"
		return nil, wrong
	}
	if t.split.values.Comma, err = delimiter(start, whole, said); err != nil {
		return nil, err
	}
	if err := t.readHeader(said.Headed()); err != nil {
		return nil, err
	}
	if said.Type == format.TypeMESH && t.head.Type != format.TypeMESH {
		wrong.Problem = "the header lacks " + format.MESHReference + " or " + format.MESHNumber + ", and cohort.format.type is mesh"
		return nil, wrong
	}
	return t, nil
}
