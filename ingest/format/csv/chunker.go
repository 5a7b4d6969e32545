package csv

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"cohort/ingest/format"
)

// Chunker cuts the text below the header line into chunks that several goroutines can parse
// at once. It looks only for quotes and line feeds: a chunk ends behind a line feed that has
// an even number of quotes before it in the chunk. Parsing the chunks gives the same result
// as parsing the whole file. The proof:
//
// Take text that the strict splitter reads from the start of a record without an error. Each
// quote in it opens a value, closes one, or is half of a doubled quote. So the number of
// quotes before a place is odd only inside quotes, or between the halves of a doubled quote,
// where there is no line feed. A line feed behind an even number is therefore outside quotes,
// and ends a record or an empty line. Every record and empty line ends in such a line feed,
// except a last one without a line feed.
//
// So in a file without an error every cut lies between records. In a file with an error, let
// e be the start of the first refused record, and p the place of the error: a misplaced
// quote, the record's first byte beyond 1 MiB, or the end of the file. (To judge a quote the
// splitter looks at the next byte, and behind a carriage return at the line feed that may end
// the chunk.) Up to e all cuts lie between records, as above. Between e and p there is no cut,
// because no record ends there. So one chunk holds the record from e to p, and its parser
// finds the same error. It is the first chunk with an error, and the error that is reported.
// The chunks behind it do not matter.
//
// A chunk grows until it has an end. A chunk of more than 1 MiB without an end begins with a
// refused record, so nothing behind it is read, and memory is bounded. The rest of the file is
// the last chunk, with or without a line end. Only the last chunk is parsed as the end of a
// file: there an open quote is never closed, and a last carriage return is dropped. When the
// source fails, the bytes before the failure are a chunk too.
type Chunker struct {
	Ended bool // the last chunk is cut

	src  io.Reader
	size int    // bytes that make a chunk
	line int64  // of the next chunk's first byte
	rest []byte // behind the last cut; lies in the chunk before, and is only read
}

// Chunk is a part of a text file that holds whole records.
type Chunk struct {
	Text  []byte
	line  int64 // of its first byte
	After error // ErrNext, io.EOF behind the last chunk, or the source's error
}

var (
	// ErrNext says that another chunk follows.
	ErrNext = errors.New("ingest: the next chunk follows")

	// ErrTorn is a defect of the Chunker: a chunk ends within a record, and nothing before
	// it was refused. A reader that went on could lose a record silently.
	ErrTorn = errors.New("ingest: a part of the file does not end where a record does")
)

// Chunks cuts the unread part of the sheet into chunks of about size bytes. The sheet itself
// must not be read any more.
func (t *Sheet) Chunks(size int) *Chunker {
	return &Chunker{src: &t.window, size: size, line: t.line}
}

// Parser makes a sheet that reads chunks of this one. One goroutine at a time may use it.
func (t *Sheet) Parser() *Sheet {
	return &Sheet{split: newSplitter(t.split.values.Comma, len(t.split.values.Spans))}
}

// Load begins to read a chunk. Records are then read with Next, until it has an error.
func (t *Sheet) Load(c *Chunk) {
	t.window = window{buf: c.Text, end: len(c.Text), done: c.After == io.EOF, err: c.After}
	t.line, t.skipped = c.line, 0
	// Nearly every chunk is valid text. Checking it at once is cheaper than record by record,
	// and no character lies across the line feed that ends a chunk.
	valid, nul, plain := format.CheckText(c.Text)
	v := &t.split.values
	v.Textual, v.Plain, v.Sound = valid && !nul, plain, !bytes.Contains(c.Text, format.LostMark)
}

// End translates the error that ended the reading of a chunk. It is nil when the whole chunk
// was read.
func (t *Sheet) End(err error) error {
	switch {
	case err == io.EOF:
		return nil
	case err != ErrNext:
		return err
	case t.window.start < t.window.end:
		return ErrTorn
	}
	return nil
}

const (
	// A chunk is cut at ChunkSize bytes or at chunkLines lines, whichever comes first. Records
	// of a usual length reach the lines first, and then make one batch of nearly full size.
	// Where records are very short, the limit keeps the memory of a parsed chunk small.
	ChunkSize  = 512 << 10
	chunkLines = 4000

	// At most chunkStep and at least chunkLeast bytes are read between two checks of that.
	chunkStep  = 32 << 10
	chunkLeast = 4 << 10
)

// Cut fills the next chunk.
func (k *Chunker) Cut(c *Chunk) {
	text := append(c.Text[:0], k.rest...)
	odd, feeds := odds(text), bytes.Count(text, []byte{'\n'})
	room, lines := k.size, chunkLines
	c.line, c.After = k.line, ErrNext
	for searched := 0; ; searched = len(text) {
		for c.After == ErrNext && len(text) < room && feeds < lines {
			step := chunkStep
			if feeds > 0 {
				step = min(step, max(chunkLeast, (lines-feeds)*(len(text)/feeds)))
			}
			step = min(step, room-len(text))
			text = slices.Grow(text, step)
			n, err := format.Fill(k.src, text[len(text):len(text)+step])
			text = text[:len(text)+n]
			fresh := text[len(text)-n:]
			odd = odd != odds(fresh)
			feeds += bytes.Count(fresh, []byte{'\n'})
			if err != nil {
				c.After = err
			}
		}
		end := len(text)
		if c.After == ErrNext {
			if end = boundary(text, searched, odd); end == 0 && len(text) <= format.MaxRecord {
				room, lines = min(2*len(text), format.MaxRecord+1), feeds+chunkLines
				continue
			}
			if end == 0 {
				end, c.After = len(text), ErrTorn
			}
		}
		c.Text, k.rest = text[:end], text[end:]
		k.line += int64(feeds - bytes.Count(k.rest, []byte{'\n'}))
		k.Ended = c.After != ErrNext
		return
	}
}

// boundary finds the last place behind from where text can be cut; 0 when there is none. odd
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

// odds reports whether text holds an odd number of quotes.
func odds(text []byte) bool { return bytes.Count(text, []byte{'"'})%2 == 1 }
