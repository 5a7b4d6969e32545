// Package format is the seam between the formats of cohort files and the rules of package
// ingest: a [Source] yields the records of one file, whatever its format.
//
// The content of a file decides its format. [Format] is needed only where the content does
// not settle it. Two things are never guessed: Windows-1252, and a delimiter when several fit.
//
//	csv      RFC 4180; comma, tab, pipe or semicolon, or another that is named; with a
//	         header line or columns by position; UTF-8, UTF-16, Windows-1252; LF or CRLF
//	mesh     the csv that NHS Notify takes over MESH, known by its header
//	nbss     the extract of the breast screening system, known by its first record
//	parquet  flat columns
//	arrow    an IPC file or stream
package format
