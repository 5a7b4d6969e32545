// Package report writes the outcome report: a Parquet file with one row for every record of the cohort file, in the
// file's order, that says what became of it. It is the only package that writes Parquet.
package report
