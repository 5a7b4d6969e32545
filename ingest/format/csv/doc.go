// Package csv reads delimited text in UTF-8: CSV, the MESH upload files of NHS Notify, and
// the extracts of the breast screening system (NBSS).
//
//	text → window → splitter → records          one goroutine
//	text → chunks → splitter → records          several goroutines: see [Chunker]
//
// It has its own splitter, because encoding/csv can neither work on chunks nor avoid copying
// every value. Fuzz tests compare the two.
package csv
