package ingest

import (
	"bytes"
	"io"
	"slices"
)

// chunker cuts a text file, from behind its header line on, into chunks that several
// can parse at once. It looks only for quotes and line feeds: a chunk ends behind a
// line feed before which the chunk holds an even number of quotes. It need not
// understand more, and what the parsers make of the chunks is what one parser would
// make of the whole file:
//
// Say that the strict splitter has read a stretch of text from the start of a record
// without refusing anything. In such a stretch a quote opens a value, closes one, or is
// half of a doubled one, since it refuses every other. So the number of quotes before
// a place is odd exactly inside quotes, and between the two halves of a doubled quote,
// where no line feed is. A line feed behind an even number is outside quotes and ends a
// record or an empty line, whether a carriage return stands before it or not; and each
// end of a record or empty line is such a line feed, but for the last without one.
//
// In a file that is not refused every cut therefore lies between records, and each
// chunk begins with as even a count as the whole file would have there. In a file that
// is, let e be where the first refused record starts and p where it is refused: at a
// quote that has no place there (the splitter looks no further than to the byte behind
// it, and behind a carriage return to the line feed that may end the chunk), at the
// record's first byte beyond 1 MiB, or at the file's end. Up to e cuts lie between
// records, by the above. From e to p there is none: the splitter has not refused those
// bytes and has not seen the record end in them. So the chunk that holds e begins
// between records and holds all of the record up to p, its parser refuses at p for the
// same reason, and as the first chunk in order to be refused it is the one that counts.
// What chunks behind it look like does not matter; they may begin anywhere.
//
// A chunk grows until it has an end. One of more than 1 MiB without any begins with a
// record that is too long or refused before that, and nothing behind it is read: memory
// is bounded. At the end of the file the rest is a chunk, line end or not, and only it
// is parsed as the last, so that an open quote is seen to be never closed and a last
// carriage return is dropped. When the source fails, the bytes before that are a chunk
// too, and the failure follows the last whole record of it.
type chunker struct {
	src   io.Reader
	size  int    // bytes that make a chunk
	line  int64  // of the next chunk's first byte
	rest  []byte // behind the last cut; lies in the chunk before, and is only read
	ended bool
}

const (
	// A chunk is cut at chunkSize bytes or at chunkLines lines, whichever comes first:
	// where records are of a usual length the latter, and they make one batch of nearly
	// its full size; where they are very short it keeps a parsed chunk's memory small.
	chunkSize  = 512 << 10
	chunkLines = 4000

	// At most chunkStep and at least chunkLeast bytes are read between looks at that.
	chunkStep  = 32 << 10
	chunkLeast = 4 << 10
)

// cut fills the next chunk.
func (k *chunker) cut(c *chunk) {
	text := append(c.text[:0], k.rest...)
	odd, feeds := odds(text), bytes.Count(text, []byte{'\n'})
	room, lines := k.size, chunkLines
	c.line, c.after = k.line, errNext
	for searched := 0; ; searched = len(text) {
		for idle := 0; c.after == errNext && len(text) < room && feeds < lines; {
			step := chunkStep
			if feeds > 0 {
				step = min(step, max(chunkLeast, (lines-feeds)*(len(text)/feeds)))
			}
			step = min(step, room-len(text))
			text = slices.Grow(text, step)
			n, err := k.src.Read(text[len(text) : len(text)+step])
			text = text[:len(text)+n]
			fresh := text[len(text)-n:]
			odd = odd != odds(fresh)
			feeds += bytes.Count(fresh, []byte{'\n'})
			if idle++; n > 0 {
				idle = 0
			}
			if err != nil {
				c.after = err
			} else if idle == 100 {
				c.after = io.ErrNoProgress
			}
		}
		end := len(text)
		if c.after == errNext {
			if end = boundary(text, searched, odd); end == 0 && len(text) <= maxRecord {
				room, lines = min(2*len(text), maxRecord+1), feeds+chunkLines
				continue
			}
			if end == 0 {
				end, c.after = len(text), errTorn
			}
		}
		c.text, k.rest = text[:end], text[end:]
		k.line += int64(feeds - bytes.Count(k.rest, []byte{'\n'}))
		k.ended = c.after != errNext
		return
	}
}

// boundary finds the last place behind from where text can be cut, 0 for none. odd
// says that all of text holds an odd number of quotes.
func boundary(text []byte, from int, odd bool) int {
	for end := len(text); ; {
		at := from + bytes.LastIndexByte(text[from:end], '\n')
		if at < from {
			return 0
		}
		odd = odd != odds(text[at:end])
		if !odd {
			return at + 1
		}
		end = at
	}
}

// odds says whether there is an odd number of quotes.
func odds(text []byte) bool { return bytes.Count(text, []byte{'"'})%2 == 1 }
