package file

import (
	"bytes"

	"cohort/ingest/format"
	"cohort/ingest/format/columnar"
	"cohort/ingest/format/csv"
)

// kind is what the first bytes of a file say it is.
type kind string

const (
	kindText        kind = "text" // or something that sniff refuses
	kindGzip        kind = format.Gzip
	kindZstd        kind = format.Zstd
	kindZip         kind = format.Zip
	kindParquet          = kind(columnar.Parquet)
	kindArrowFile        = kind(columnar.Arrow)
	kindArrowStream      = kind(columnar.ArrowStream)
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

// may says whether a file of this kind can be what cohort.format.type says.
func (k kind) may(said string) bool {
	switch said {
	case format.TypeParquet:
		return k == kindParquet
	case format.TypeArrow:
		return k == kindArrowFile || k == kindArrowStream
	}
	return k == kindText
}
