package report

import (
	"github.com/klauspost/compress/zstd"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

// codec is Zstandard as the Parquet library has it, at the fastest level, but for one thing:
// text without repetitions, as references, ids and NHS numbers are, is coded by how often
// its characters occur. At that level it would be stored as it is, at nearly twice the size.
type codec struct {
	parquetzstd.Codec // reads
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
