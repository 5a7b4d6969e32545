// Package person is the vocabulary every other package speaks: the NHS number,
// the recipient of a message, the fate of a record, and the layout of the Arrow
// record batches that carry records from ingest to shard.
//
// It is a leaf: it imports only the standard library, so that anybody may import
// it, and it holds no behaviour beyond parsing and masking an NHS number, and telling which
// characters no message may hold.
package person
