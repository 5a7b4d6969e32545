package format

import "io"

// Fill reads until p is full or r returns an error, io.EOF at its end. It returns
// io.ErrNoProgress when r returns nothing a hundred times in a row.
func Fill(r io.Reader, p []byte) (n int, err error) {
	for empty := 0; n < len(p) && err == nil; {
		var k int
		k, err = r.Read(p[n:])
		n += k
		if empty++; k > 0 {
			empty = 0
		}
		if empty == 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}
