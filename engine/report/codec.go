package report

import (
	"github.com/klauspost/compress/zstd"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

// codec is Zstandard at the fastest level, with entropy coding of all literals. Without it,
// that level stores references, ids and NHS numbers uncompressed, at nearly twice the size.
type codec struct {
	parquetzstd.Codec // decodes
	encoder           *zstd.Encoder
}

func newCodec() (*codec, error) {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderConcurrency(mostAtOnce), zstd.WithZeroFrames(true), zstd.WithEncoderCRC(false),
	)
	return &codec{encoder: e}, err
}

// Encode is safe for concurrent use.
func (c *codec) Encode(dst, src []byte) ([]byte, error) {
	return c.encoder.EncodeAll(src, dst[:0]), nil
}
