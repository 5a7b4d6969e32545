package shard

import "github.com/apache/arrow/go/v15/arrow"

// The columns of a shard's file; behind them come person.Texts.
const (
	shardRow = iota
	shardFile
	shardLine
	shardNumber
	shardReference
	shardField
)

func shardSchema(texts []string) *arrow.Schema {
	columns := []arrow.Field{
		{Name: "row", Type: arrow.PrimitiveTypes.Int64},
		{Name: "file", Type: arrow.PrimitiveTypes.Uint16},
		{Name: "line", Type: arrow.PrimitiveTypes.Int64},
		{Name: "number", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "reference", Type: arrow.BinaryTypes.String, Nullable: true},
	}
	for _, f := range texts {
		columns = append(columns, arrow.Field{Name: f, Type: arrow.BinaryTypes.String})
	}
	return arrow.NewSchema(columns, nil)
}

// The columns of the invalid records' file.
const (
	invalidRow = iota
	invalidFileIndex
	invalidLine
	invalidFound
	invalidCode
	invalidReason
	invalidReference
)

var invalidSchema = arrow.NewSchema([]arrow.Field{
	{Name: "row", Type: arrow.PrimitiveTypes.Int64},
	{Name: "file", Type: arrow.PrimitiveTypes.Uint16},
	{Name: "line", Type: arrow.PrimitiveTypes.Int64},
	{Name: "found", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "code", Type: arrow.BinaryTypes.String},
	{Name: "reason", Type: arrow.BinaryTypes.String},
	{Name: "reference", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

var (
	verdictSchema = arrow.NewSchema([]arrow.Field{{Name: "verdict", Type: arrow.PrimitiveTypes.Uint8}}, nil)
	routeSchema   = arrow.NewSchema([]arrow.Field{{Name: "route", Type: arrow.PrimitiveTypes.Uint8}}, nil)
)
