// Package columnar reads Parquet files, Arrow files and Arrow streams. It writes out each row
// as text, so that the same rules apply to it as to a row of a text file.
//
// The libraries decode the metadata and the values. This package checks every length before
// a library sees it: a damaged length would otherwise ask for more memory than there is.
package columnar
