// Package person is the vocabulary of every other package: the NHS number, the recipient of a
// message, the fate of a record, and the layout of the Arrow record batches between ingest and
// shard.
//
// It imports only the standard library, so that every package may import it. It parses and
// masks NHS numbers, and finds characters that no message may hold.
package person
