package columnar

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquetFile reads the wanted columns of a Parquet file, one row group after another, a page
// at a time. The library decodes the metadata. It does not read the pages, because it would
// take as much memory as a damaged page asks for.
type parquetFile struct {
	source  *io.SectionReader
	memory  *ceiling
	meta    format.FileMetaData
	leaves  []parquetLeaf // one for each column of the header
	columns []*parquetColumn
	group   int // the next row group
	column  int // the current one of columns
}

func newParquet(handle *os.File, mem *ceiling) (*parquetFile, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	p := &parquetFile{source: io.NewSectionReader(handle, 0, info.Size()), memory: mem}
	const ending = 4 + 4 // the footer's length and PAR1
	end := p.source.Size() - ending
	tail, err := readAt(p.source, end, ending)
	if err != nil {
		return nil, err
	}
	require(string(tail[4:]) == "PAR1")
	length := int64(binary.LittleEndian.Uint32(tail))
	footer, err := readAt(p.source, end-length, length)
	if err != nil {
		return nil, err
	}
	if _, err := decodeThrift(footer, &p.meta); err != nil {
		return nil, err
	}
	for at, index := 1, 0; at < len(p.meta.Schema); {
		leaf := parquetLeaf{SchemaElement: p.meta.Schema[at], index: index}
		p.leaves = append(p.leaves, leaf)
		for open := 1; open > 0; at++ { // it and those below it
			e := &p.meta.Schema[at]
			require(e.NumChildren.V >= 0)
			if open += int(e.NumChildren.V) - 1; e.Type.Valid {
				index++
			}
		}
	}
	return p, nil
}

// readAt reads bytes that must be in the file.
func readAt(source *io.SectionReader, at, length int64) ([]byte, error) {
	require(at >= 0 && length >= 0 && length <= source.Size()-at)
	b := make([]byte, length)
	_, err := source.ReadAt(b, at)
	return b, err
}

// decodeThrift reads a structure of the metadata, and returns its length in bytes.
func decodeThrift(data []byte, into any) (int, error) {
	r := boundedThrift{new(thrift.CompactProtocol).NewReaderFromBytes(data), len(data)}
	err := thrift.NewDecoder(r).Decode(into)
	return r.BytesRead(), err
}

// boundedThrift refuses a length of a list that the remaining bytes cannot hold.
type boundedThrift struct {
	thrift.BytesReader
	size int
}

func (r boundedThrift) ReadList() (thrift.List, error) {
	l, err := r.BytesReader.ReadList()
	least := 1
	if l.Type == thrift.STRUCT {
		least = 3 // bytes of Parquet's smallest structure
	}
	require(int(l.Size) <= (r.size-r.BytesRead())/least)
	return l, err
}

func (r boundedThrift) ReadSet() (thrift.Set, error) {
	l, err := r.ReadList()
	return thrift.Set(l), err
}

func (r boundedThrift) ReadMap() (thrift.Map, error) {
	m, err := r.BytesReader.ReadMap()
	require(int(m.Size) <= r.size-r.BytesRead())
	return m, err
}

func (r boundedThrift) Discard(n int) (int, error) {
	return r.BytesReader.(interface{ Discard(int) (int, error) }).Discard(n)
}

func (p *parquetFile) fields() (all []field) {
	for _, leaf := range p.leaves {
		all = append(all, leaf.field())
	}
	return all
}

func (p *parquetFile) choose(wanted []int, styles []style) {
	for i, k := range wanted {
		leaf := p.leaves[k]
		p.columns = append(p.columns, &parquetColumn{source: p.source, memory: p.memory, parquetLeaf: leaf, text: leaf.text(styles[i])})
	}
}

func (p *parquetFile) next() (int, error) {
	if p.group == len(p.meta.RowGroups) {
		return 0, errNoBatch
	}
	group := &p.meta.RowGroups[p.group]
	p.group++
	for _, c := range p.columns {
		chunk := &group.Columns[c.index]
		if chunk.FilePath != "" || chunk.CryptoMetadata.Value != nil {
			return 0, refuse(fmt.Sprintf("the column %q is encrypted, or stands in another file", c.Name), "ask the sender for one plain file")
		}
		require(chunk.MetaData.Type == c.Type.V && chunk.MetaData.NumValues == group.NumRows)
		c.open(&chunk.MetaData)
	}
	require(group.NumRows >= 0)
	return int(group.NumRows), nil
}

func (p *parquetFile) write(dst []byte, i, _ int) ([]byte, error) {
	p.column = i
	return p.columns[i].write(dst)
}

func (p *parquetFile) where() string {
	if len(p.columns) == 0 {
		return "in its footer"
	}
	return fmt.Sprintf("in row group %d, in the column %q", p.group, p.columns[p.column].Name)
}

func (p *parquetFile) close() {}
