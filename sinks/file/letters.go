package file

import (
	"fmt"

	"cohort/engine"
	"cohort/ingest/person"
)

// Format is the format of a letters file.
type Format string

const (
	CSV   Format = "csv"   // RFC 4180, with a header line, UTF-8
	JSONL Format = "jsonl" // an object a line, every value a string, UTF-8
)

// Letters is a file for a print supplier, one row a letter. The reader of the cohort checks the
// addresses: a record with an address that does not fit an envelope is invalid, and reaches no
// sink.
type Letters struct {
	Format  Format
	Columns []Column
}

// Column is one column of a letters file.
type Column struct {
	Name string
	Text engine.Template // unless cohort makes the column itself
}

// The names of the columns that cohort makes itself.
const (
	referenceColumn = "message_reference" // as in the report
	numberColumn    = "nhs_number"
)

// NewColumn makes a column of a letters file: message_reference, nhs_number, or a text
// with ((column)) placeholders for the fields that the cohort's records carry.
func NewColumn(name, text string, fields []string) (Column, error) {
	if IsOwnColumn(name) {
		return Column{Name: name}, nil
	}
	compiled, err := engine.CompileTemplate(text, fields)
	if err != nil {
		return Column{}, fmt.Errorf("the column %q: %w", name, err)
	}
	return Column{Name: name, Text: compiled}, nil
}

// IsOwnColumn reports whether cohort makes a column itself, without a field of the records.
func IsOwnColumn(name string) bool { return name == referenceColumn || name == numberColumn }

func (l *Letters) header() (h []byte) {
	if l.Format != CSV {
		return nil
	}
	for i := range l.Columns {
		if i > 0 {
			h = append(h, ',')
		}
		h = quoted(append(h, l.Columns[i].Name...), len(h))
	}
	return append(h, lineEnd...)
}

func (l *Letters) appendRow(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	if l.Format == CSV {
		return l.appendCSV(dst, message, p)
	}
	return l.appendJSON(dst, message, p)
}

func (l *Letters) appendCSV(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	for i := range l.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch c := &l.Columns[i]; c.Name {
		case referenceColumn:
			dst = append(dst, message[:]...)
		case numberColumn:
			dst = p.Number.AppendDigits(dst)
		default:
			dst = quoted(c.Text.AppendText(dst, p.Fields), len(dst))
		}
	}
	return append(dst, lineEnd...)
}

func (l *Letters) appendJSON(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	dst = append(dst, '{')
	for i := range l.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &l.Columns[i]
		dst = append(engine.AppendJSONString(dst, c.Name), ':')
		switch c.Name {
		case referenceColumn:
			dst = append(append(append(dst, '"'), message[:]...), '"')
		case numberColumn:
			dst = append(p.Number.AppendDigits(append(dst, '"')), '"')
		default:
			dst = c.Text.AppendJSON(dst, p.Fields)
		}
	}
	return append(dst, "}\n"...)
}

func (l *Letters) extension() string { return "." + string(l.Format) }

// headers is nil: a print supplier takes files without MESH.
func (l *Letters) headers(engine.Reference) *Headers { return nil }
