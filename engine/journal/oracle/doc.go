// Package oracle holds the power cuts of package journal against a filesystem that others wrote: the crashable memory
// of cockroachdb/pebble. The journal's own crash filesystem and the journal come from the same hands and might share a
// mistake. It is a module of its own so that nobody who builds cohort needs pebble and what comes with it. Run it here
// by go test; engine/PROOF.md says what it proves.
package oracle
