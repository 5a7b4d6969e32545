// Package ingest reads a cohort, one file or several, and yields its records as Arrow
// record batches, in the files' order, each record either sendable or invalid with its
// reason. The columns are drawn in package person.
//
//	file → tap → decompressor → decoder → chunker ┬→ splitter → rules → batch ┬→ consumer
//	           gzip zstd zip    UTF-16            ├→ splitter → rules → batch ┤  in the
//	                            Windows-1252      └→ splitter → rules → batch ┘  file's order
//	                            NBSS → pump → window → splitter → rules → batch → consumer
//	file → Parquet, Arrow → rows written out as text ──→ rules → batch → consumer
//
// The tap counts and hashes the bytes as they stand. The chunker cuts delimited text
// between records, knowing no more of it than quotes and line feeds (why that is enough
// stands there), and the crew's workers parse the chunks: each splitter cuts its chunk
// into records and values without copying, the rules give each record its outcome, and
// the batch collects them in Arrow's layout. The consumer takes chunk after chunk in
// the file's order, numbers the rows and adds up the tallies, so that nothing of what
// comes out depends on who was faster. An extract of NBSS and a stream are parsed by
// the consumer itself, out of a window that holds the part under work, by the same
// splitter and rules. Everything left of chunker and pump works on their goroutine.
// Memory stays flat whatever the file holds: a record is at most 1 MiB, a chunk holds
// no more than it takes to have one, there are a fixed number of chunks, and a batch
// ends at a number of rows or of bytes.
//
// A column may be worked out ([Derived]): its value stands behind those of the record and
// is one of them to everything that comes after the rules know the NHS number.
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
