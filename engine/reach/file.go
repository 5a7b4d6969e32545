package reach

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"cohort/engine/disk"
)

// Version is the format of a report of who has the NHS App. This program reads no other.
const Version = 1

const (
	entry    = 8 // bytes of a user
	mostHead = 16 << 20
)

type head struct {
	Version   int        `json:"version"`
	Day       string     `json:"day"` // UTC
	Service   string     `json:"service"`
	Practices []practice `json:"practices"`
}

type practice struct {
	Code  string `json:"code"`
	State State  `json:"state,omitempty"`
	Users int    `json:"users"`
}

var errDamaged = errors.New("it is cut short or damaged")

// write writes a file and returns its digest. It calls each for one practice after another, to write the entries.
func write(path string, h head, each func(i int, w io.Writer) error) (digest string, err error) {
	sum := sha256.New()
	err = disk.WriteFile(path, func(w io.Writer) error {
		out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
		line, err := json.Marshal(h)
		if err == nil {
			_, err = out.Write(append(line, '\n'))
		}
		for i := range h.Practices {
			if err == nil {
				err = each(i, out)
			}
		}
		if err == nil {
			err = out.Flush()
		}
		if err == nil {
			_, err = w.Write(sum.Sum(nil))
		}
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// check reads a whole file and verifies it. It returns the head, the start of the entries, and the digest.
func check(f *os.File) (h head, start int64, digest string, err error) {
	info, err := f.Stat()
	if err != nil {
		return h, 0, "", err
	}
	body := info.Size() - sha256.Size
	if body <= 0 {
		return h, 0, "", errDamaged
	}
	sum := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(f, 0, body), sum), 1<<16)
	line, err := readLine(in)
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	var said [sha256.Size]byte
	if err == nil {
		_, err = f.ReadAt(said[:], body)
	}
	if err != nil {
		return h, 0, "", err
	}
	if !bytes.Equal(sum.Sum(nil), said[:]) || json.Unmarshal(line, &h) != nil {
		return h, 0, "", errDamaged
	}
	if h.Version != Version {
		return h, 0, "", fmt.Errorf("it has format %d, and this version of cohort reads format %d", h.Version, Version)
	}
	users := 0
	for _, p := range h.Practices {
		users += p.Users
	}
	start = int64(len(line))
	if start+int64(users)*entry != body {
		return h, 0, "", errDamaged
	}
	return h, start, hex.EncodeToString(said[:]), nil
}

func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for len(line) < mostHead {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case err == io.EOF:
			return nil, errDamaged
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
	return nil, errDamaged
}
