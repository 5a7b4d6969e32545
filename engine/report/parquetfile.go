package report

import (
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquetFile writes a Parquet file. Encoders make the row groups. It is not safe for concurrent use.
type parquetFile struct {
	format.FileMetaData
	w       io.Writer
	written int64
}

const magic = "PAR1" // at both ends of a Parquet file

// newParquetFile begins a file that is sorted by its first column. T is a struct with the columns.
func newParquetFile[T any](w io.Writer, version string) (*parquetFile, error) {
	empty := parquet.NewGenericWriter[T](io.Discard, parquet.CreatedBy("cohort", version, ""))
	if err := empty.Close(); err != nil {
		return nil, err
	}
	f := &parquetFile{FileMetaData: *empty.File().Metadata(), w: w}
	return f, f.write([]byte(magic))
}

func (f *parquetFile) write(b []byte) error {
	n, err := f.w.Write(b)
	f.written += int64(n)
	return err
}

// append writes a row group. The encoder of the chunks may be used again.
func (f *parquetFile) append(chunks []chunk) error {
	group := format.RowGroup{
		NumRows: chunks[0].NumValues, Ordinal: int16(len(f.RowGroups)), FileOffset: f.written,
		SortingColumns: []format.SortingColumn{{ColumnIdx: 0}},
	}
	for i := range chunks {
		c := &chunks[i]
		m := c.ColumnMetaData
		if c.dictionary > 0 {
			m.DictionaryPageOffset = f.written
		}
		m.DataPageOffset, m.TotalCompressedSize = f.written+int64(c.dictionary), int64(len(c.pages))
		group.Columns = append(group.Columns, format.ColumnChunk{MetaData: m})
		group.TotalByteSize += m.TotalUncompressedSize
		group.TotalCompressedSize += m.TotalCompressedSize
		if err := f.write(c.pages); err != nil {
			return err
		}
	}
	f.RowGroups = append(f.RowGroups, group)
	f.NumRows += group.NumRows
	return nil
}

// close writes the page index and the footer, with the metadata in it.
func (f *parquetFile) close(metadata map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		f.KeyValueMetadata = append(f.KeyValueMetadata, format.KeyValue{Key: key, Value: metadata[key]})
	}
	if err := f.writeIndex(); err != nil {
		return err
	}
	_, size, err := f.encode(&f.FileMetaData)
	if err != nil {
		return err
	}
	return f.write(append(binary.LittleEndian.AppendUint32(nil, uint32(size)), magic...))
}

// writeIndex writes the page index: the bounds of each column of a row group, and then the place of its page of data.
func (f *parquetFile) writeIndex() (err error) {
	var all []*format.ColumnChunk
	for _, g := range f.RowGroups {
		for i := range g.Columns {
			all = append(all, &g.Columns[i])
		}
	}
	for _, c := range all {
		s := &c.MetaData.Statistics
		c.ColumnIndexOffset, c.ColumnIndexLength, err = f.encode(&format.ColumnIndex{
			NullPages: []bool{s.NullCount == c.MetaData.NumValues}, NullCounts: []int64{s.NullCount},
			MinValues: [][]byte{s.MinValue}, MaxValues: [][]byte{s.MaxValue}, BoundaryOrder: format.Ascending,
		})
		if err != nil {
			return err
		}
	}
	for _, c := range all {
		m := &c.MetaData
		page := format.PageLocation{Offset: m.DataPageOffset, CompressedPageSize: int32(m.TotalCompressedSize)}
		if m.DictionaryPageOffset > 0 {
			page.CompressedPageSize -= int32(m.DataPageOffset - m.DictionaryPageOffset)
		}
		index := format.OffsetIndex{PageLocations: []format.PageLocation{page}}
		c.OffsetIndexOffset, c.OffsetIndexLength, err = f.encode(&index)
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *parquetFile) encode(value any) (at int64, size int32, err error) {
	at = f.written
	b, err := thrift.Marshal(new(thrift.CompactProtocol), value)
	if err != nil {
		return 0, 0, err
	}
	return at, int32(len(b)), f.write(b)
}
