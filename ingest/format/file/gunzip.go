package file

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/gzip"

	"cohort/ingest/format"
)

// gunzip unpacks a gzip file of one member or several. It checks itself whether another
// member follows, because the library does not tell a few stray bytes from a cut file.
type gunzip struct {
	src    *bufio.Reader
	member *gzip.Reader
}

func newGunzip(r io.Reader) (*gunzip, error) {
	g := &gunzip{src: bufio.NewReaderSize(r, 64<<10)} // the library takes no byte too many from it
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
				err = nil // the next call checks what follows
			}
			return n, err
		}
		start, err := g.src.Peek(2)
		switch {
		case len(start) == 0:
			return 0, err
		case string(start) != "\x1f\x8b":
			return 0, &format.FileError{Problem: "there are more bytes behind the end of the gzip file", Fix: "ask the sender for the file again"}
		}
		if err := g.member.Reset(g.src); err != nil {
			return 0, err
		}
		g.member.Multistream(false)
	}
}
