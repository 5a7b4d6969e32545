package report

import (
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/format"
)

// newReport begins a file with the columns of row, and behind them those to keep. One with the name of another column
// gets a prefix: names in SQL are the same without case.
func newReport(w io.Writer, in *Input) (*parquetFile, error) {
	f, err := newParquetFile[row](w, in.Version)
	if err != nil {
		return nil, err
	}
	like := f.Schema[slices.IndexFunc(f.Schema, func(c format.SchemaElement) bool { return c.Name == "template_version" })] // any text
	for _, name := range in.Records.Keep() {
		for slices.ContainsFunc(f.Schema[1:], func(c format.SchemaElement) bool { return strings.EqualFold(c.Name, name) }) {
			name = "kept_" + name
		}
		like.Name = name
		f.Schema = append(f.Schema, like)
		f.Schema[0].NumChildren.V++
	}
	return f, nil
}
