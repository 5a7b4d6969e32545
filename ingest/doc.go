// Package ingest reads a cohort file and yields its records as Arrow record
// batches, in the file's order, each record either sendable or invalid with its
// reason. The columns are drawn in package person.
//
//	io.Reader → window → splitter → checks → batch → consumer
//
// The window holds the part of the file under work, the splitter cuts it into
// records and values without copying, the checks give each record its outcome, and
// the batch collects them in Arrow's layout. Memory stays flat whatever the file
// holds: a record is at most 1 MiB, a batch ends at a number of rows or of bytes.
//
// A file that is no cohort is refused with a [FileError]; a record that cannot be
// sent is only invalid. The line between them is trust: after a quoting error
// nobody can say where the next record starts, so the file is refused.
package ingest
