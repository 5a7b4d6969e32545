package ingest

import (
	"context"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// columnBatch is how many rows of a Parquet file are held at a time.
const columnBatch = 4096

// parquetFile reads the wanted columns of a Parquet file, row group after row group, a
// page at a time.
type parquetFile struct {
	ctx     context.Context
	file    *file.Reader
	arrow   *pqarrow.FileReader
	schema  *arrow.Schema
	left    int64 // rows
	columns []*pqarrow.ColumnReader
	lent    []*arrow.Chunked
}

func newParquet(ctx context.Context, handle *os.File, mem memory.Allocator) (*parquetFile, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	props := parquet.NewReaderProperties(mem)
	props.BufferedStreamEnabled = true // no column chunk is held as a whole
	p := &parquetFile{ctx: ctx}
	p.file, err = file.NewParquetReader(io.NewSectionReader(handle, 0, info.Size()), file.WithReadProps(props))
	if err != nil {
		return nil, err
	}
	p.left = p.file.NumRows()
	p.arrow, err = pqarrow.NewFileReader(p.file, pqarrow.ArrowReadProperties{BatchSize: columnBatch}, mem)
	if err == nil {
		p.schema, err = p.arrow.Schema()
	}
	return p, err
}

func (p *parquetFile) fields() []arrow.Field { return p.schema.Fields() }

func (p *parquetFile) choose(wanted []int) error {
	for _, k := range wanted {
		column, err := p.arrow.GetColumn(p.ctx, k)
		if err != nil {
			return err
		}
		p.columns = append(p.columns, column)
	}
	return nil
}

func (p *parquetFile) next() ([]chunks, int, error) {
	p.release()
	if p.left == 0 {
		return nil, 0, io.EOF
	}
	rows := min(p.left, columnBatch)
	p.left -= rows
	var all []chunks
	for _, column := range p.columns {
		values, err := column.NextBatch(rows)
		if err != nil {
			return nil, 0, err
		}
		p.lent = append(p.lent, values)
		if int64(values.Len()) != rows {
			return nil, 0, io.ErrUnexpectedEOF
		}
		all = append(all, chunks{arrays: values.Chunks()})
	}
	return all, int(rows), nil
}

func (p *parquetFile) release() {
	for _, values := range p.lent {
		values.Release()
	}
	p.lent = p.lent[:0]
}

func (p *parquetFile) close() { p.release() }
