package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cohort/engine"
	"cohort/engine/disk"
)

// DryRun writes requests to the file at path, one JSON object a line:
//
//	{"batch_reference":"…","messages":2,"bytes":206,"body":{…}}
//
// body is the request's, byte for byte. With rows the body is lines of a file, and becomes a
// string. A path that ends in .gz or .zst is compressed. An existing file is fs.ErrExist, and
// stays. The file holds personal data. It has mode 0600, and appears whole or not at all.
func DryRun(path string, rows bool, requests iter.Seq2[*engine.Request, error]) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	return disk.WriteFile(path, func(w io.Writer) error {
		packed, err := compressor(path, w)
		if err != nil {
			return err
		}
		out := bufio.NewWriterSize(packed, 1<<20)
		err = writeRequests(out, rows, requests)
		if err == nil {
			err = out.Flush()
		}
		if e := packed.Close(); err == nil {
			err = e
		}
		return err
	})
}

func writeRequests(out *bufio.Writer, rows bool, requests iter.Seq2[*engine.Request, error]) error {
	var line []byte
	for r, err := range requests {
		if err != nil {
			return err
		}
		line = append(line[:0], `{"batch_reference":"`...)
		line = append(append(line, r.Reference[:]...), `","messages":`...)
		line = append(strconv.AppendInt(line, int64(len(r.Messages)), 10), `,"bytes":`...)
		line = append(strconv.AppendInt(line, int64(len(r.Body)), 10), `,"body":`...)
		switch {
		case rows:
			line = engine.AppendJSONString(line, string(r.Body))
		case bytes.IndexByte(r.Body, '\n') >= 0:
			return errors.New("a request's body holds a line end, and would not be one line; this is a defect of cohort: please report it")
		default:
			line = append(line, r.Body...)
		}
		line = append(line, "}\n"...)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// compressor chooses the compression from the name of the file.
func compressor(path string, w io.Writer) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(path, ".gz"):
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case strings.HasSuffix(path, ".zst"):
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	}
	return plain{w}, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
