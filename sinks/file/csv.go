package file

import "bytes"

// lineEnd is RFC 4180's.
const lineEnd = "\r\n"

// quoted puts what stands in dst behind from into quotes, as RFC 4180 has it, where it
// needs any: a comma, a quote or a line end in it, or white space at its ends, which
// readers like to take away.
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
	for i := from + n - 1; i >= from; i-- { // from behind, where there is room
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

// visible says whether a byte is no white space of ASCII and no control character.
func visible(c byte) bool { return c > ' ' && c != 0x7F }
