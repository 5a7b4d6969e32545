package file

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/gzip"

	"cohort/ingest/format"
)

// gunzip unpacks a gzip file of one member or several. It looks itself whether another
// one follows: the library says of a few bytes that are none what it says of a file that
// is cut short.
type gunzip struct {
	src    *bufio.Reader
	member *gzip.Reader
}

func newGunzip(r io.Reader) (*gunzip, error) {
	g := &gunzip{src: bufio.NewReaderSize(r, 64<<10)} // from which the library takes no byte too many
	var err error
	if g.member, err = gzip.NewReader(g.src); err != nil {
		return nil, err
	}
	g.member.Multistream(false)
	return g, nil
}

func (g *gunzip) Read(p []byte) (int, error) {
	for {
		n, err := g.member.Read(p)
		if n > 0 || err != io.EOF {
			if err == io.EOF {
				err = nil // what follows is seen by the next call
			}
			return n, err
		}
		start, err := g.src.Peek(2)
		switch {
		case len(start) == 0:
			return 0, err
		case string(start) != "\x1f\x8b":
			return 0, &format.FileError{Problem: "there is something behind the end of the gzip file", Fix: "ask the sender for the file again"}
		}
		if err := g.member.Reset(g.src); err != nil {
			return 0, err
		}
		g.member.Multistream(false)
	}
}
