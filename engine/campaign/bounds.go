package campaign

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// What a campaign file may be. The YAML library takes hours over one that is nested deeply,
// and hears no signal.
const (
	mostFileSize = 256 << 10
	mostLevels   = 100
)

// read reads a campaign file, but not much more than it may hold.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, mostFileSize+1))
}

// bounded refuses a text that is too large, or nested too deeply. Brackets are counted
// wherever they stand.
func (l *loader) bounded(text []byte) error {
	if len(text) > mostFileSize {
		return &FileError{l.file, 0, fmt.Sprintf("the file is larger than %d KiB; is it a campaign file?", mostFileSize>>10)}
	}
	line, open := 0, 0
	for text := range bytes.Lines(text) {
		line++
		deepest := 0
		for _, c := range text {
			switch c {
			case '[', '{':
				open++
				deepest = max(deepest, open)
			case ']', '}':
				open = max(0, open-1)
			}
		}
		indent := text[:len(text)-len(bytes.TrimLeft(text, " -?\t"))]
		if max(deepest, bytes.Count(indent, []byte("- "))+bytes.Count(indent, []byte("? "))) > mostLevels {
			return &FileError{l.file, line, fmt.Sprintf("there are more than %d levels of brackets or lists; is it a campaign file?", mostLevels)}
		}
	}
	return nil
}
