package shard

import "github.com/apache/arrow/go/v15/arrow"

// shardSchema is the schema of a shard's file.
func shardSchema(fields []string) *arrow.Schema {
	columns := []arrow.Field{
		{Name: "row", Type: arrow.PrimitiveTypes.Int64},
		{Name: "line", Type: arrow.PrimitiveTypes.Int64},
		{Name: "number", Type: arrow.PrimitiveTypes.Uint64},
	}
	for _, f := range fields {
		columns = append(columns, arrow.Field{Name: f, Type: arrow.BinaryTypes.String})
	}
	return arrow.NewSchema(columns, nil)
}

var invalidSchema = arrow.NewSchema([]arrow.Field{
	{Name: "row", Type: arrow.PrimitiveTypes.Int64},
	{Name: "line", Type: arrow.PrimitiveTypes.Int64},
	{Name: "found", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "code", Type: arrow.BinaryTypes.String},
	{Name: "reason", Type: arrow.BinaryTypes.String},
}, nil)

var verdictSchema = arrow.NewSchema([]arrow.Field{{Name: "verdict", Type: arrow.PrimitiveTypes.Uint8}}, nil)
