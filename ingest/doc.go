// Package ingest reads a cohort, one file or several, and yields its records as Arrow
// record batches, in the files' order, each record either sendable or invalid with its
// reason. The columns are drawn in package person.
//
//	file → tap → decompressor → decoder → pump → window → splitter → rules → batch → consumer
//	           gzip zstd zip    UTF-16            delimited text
//	                            Windows-1252
//	file → Parquet, Arrow → rows written out as text ──────────────→ rules → batch → consumer
//
// The tap counts and hashes the bytes as they stand. The window holds the part of the
// file under work, the splitter cuts it into records and values without copying, the
// rules give each record its outcome, and the batch collects them in Arrow's layout.
// Everything left of the pump works on a goroutine of its own. Memory stays flat
// whatever the file holds: a record is at most 1 MiB, a batch ends at a number of rows
// or of bytes.
//
// What a file is is told by its content, and by [Options.Format] only where that is
// said. Two things are never guessed: Windows-1252, and a delimiter when several fit.
//
//	csv      RFC 4180; comma, tab, pipe or semicolon, or another that is said; with a
//	         header line or columns by position; UTF-8, UTF-16, Windows-1252; LF or CRLF
//	mesh     the csv that NHS Notify takes over MESH, known by its header
//	nbss     the extract of the breast screening system, known by its first record
//	parquet  flat columns
//	arrow    an IPC file or stream
//
// A file that is no cohort, or not the whole of one, is refused with a [FileError]; a
// record that cannot be sent is only invalid. The line between them is trust: after a
// quoting error nobody can say where the next record starts, so the file is refused.
package ingest
