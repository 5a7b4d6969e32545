// Package file opens a file of a cohort: it finds out what the file is, and builds the layers
// that the content asks for.
//
//	hashing reader → decompressor → decoder → source
//	                 gzip zstd zip  UTF-16    csv, mesh, nbss
//	                                Windows-1252
//	hashing reader → source                   parquet, arrow
//
// The hashing reader counts and hashes the bytes as they stand in the file.
package file
