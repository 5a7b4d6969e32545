package file

import "bytes"

// lineEnd is RFC 4180's.
const lineEnd = "\r\n"

// quoted puts the value at dst[from:] into quotes (RFC 4180) when it holds a comma, a quote or a
// line end. It also quotes white space at either end, which many readers would remove.
func quoted(dst []byte, from int) []byte {
	value := dst[from:]
	if len(value) == 0 || !bytes.ContainsAny(value, ",\"\r\n") && visible(value[0]) && visible(value[len(value)-1]) {
		return dst
	}
	quotes := bytes.Count(value, []byte{'"'})
	n := len(value)
	dst = append(dst, make([]byte, quotes+2)...)
	to := len(dst) - 1
	dst[to] = '"'
	for i := from + n - 1; i >= from; i-- { // backwards, into the new room
		c := dst[i]
		to--
		dst[to] = c
		if c == '"' {
			to--
			dst[to] = '"'
		}
	}
	dst[from] = '"'
	return dst
}

// visible reports whether a byte is neither ASCII white space nor a control character.
func visible(c byte) bool { return c > ' ' && c != 0x7F }
