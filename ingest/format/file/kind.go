package file

import (
	"bytes"

	"cohort/ingest/format"
	"cohort/ingest/format/columnar"
	"cohort/ingest/format/csv"
)

// kind is a file's kind by its first bytes.
type kind string

const (
	kindText        kind = "text" // or something that csv.Open refuses
	kindGzip        kind = format.Gzip
	kindZstd        kind = format.Zstd
	kindZip         kind = format.Zip
	kindParquet          = kind(columnar.Parquet)
	kindArrowFile        = kind(columnar.Arrow)
	kindArrowStream      = kind(columnar.ArrowStream)
)

// kindOf detects the kind of a file.
func kindOf(start []byte) kind {
	if len(start) >= 4 && start[0]&0xf0 == 0x50 && string(start[1:4]) == "\x2a\x4d\x18" {
		return kindZstd // a skippable frame, which pzstd writes before each of the others
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
		if bytes.HasPrefix(start, []byte(k.start)) && !csv.IsPlain(start[:min(len(start), 16)]) {
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

// may reports whether a file of this kind can be of a Format.Type.
func (k kind) may(said string) bool {
	switch said {
	case format.TypeParquet:
		return k == kindParquet
	case format.TypeArrow:
		return k == kindArrowFile || k == kindArrowStream
	}
	return k == kindText
}
