// Package ingest reads a cohort from one file or several. It yields the records in the
// files' order as Arrow record batches. Each record is either sendable, or invalid with a
// reason. Package person describes the columns.
//
//	format/file → format/csv: chunks ┬→ values → rules → batch ┬→ consumer
//	                                 ├→ values → rules → batch ┤  in the
//	                                 └→ values → rules → batch ┘  file's order
//	format/file → any other [format.Source] ──→ rules → batch ──→ consumer
//
// Package file finds out what a file is, and unpacks, decodes and hashes it on goroutines
// of its own. Delimited text is cut into chunks. A pool of workers parses the chunks, gives
// each record its outcome, and collects the records in Arrow's layout. The consumer takes
// the chunks in the file's order, numbers the rows and adds up the counts. So the
// speed of the workers does not change the result. The consumer itself parses any other file.
//
// Memory does not grow with the file: a record is at most 1 MiB, the number of chunks is
// fixed, and a batch ends at a number of rows or of bytes.
//
// A column may be derived ([Derived]). Once the NHS number is known, the derived value is
// one of the record's values.
//
// A file that is not a whole cohort is refused with a [format.FileError]. A record that cannot
// be sent is only invalid. The difference is trust: after a quoting
// error nobody can say where the next record starts, so the file is refused.
package ingest
