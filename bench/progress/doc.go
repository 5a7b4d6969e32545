// Package progress measures what the progress log costs: making the records of a send
// durable, reading them back, and the share of it in a whole send.
//
//	the parent                                    a child for each part
//	rounds of all parts, one after another  ──▶   does the work for a fixed time, in a
//	                                              folder of its own, and reads it back
//	medians, ratios within a round, tables  ◀──   messages, bytes, fsyncs, seconds, CPU, memory
//
// The disk of a machine is another one every minute, so that what is worth quoting are
// ratios within a round. Among the parts is the machine's own fsync: a plain file, to
// which the very bytes of the log are written and made durable in the same steps and by
// the same call (fdatasync).
//
// Peers do the same durable work with bbolt and SQLite. They are a module of their own,
// which is built with the go tool where that and its source are there.
//
// A part that does not find every message again that it was told is durable ends
// everything: a log that is fast and forgets is no log.
package progress
