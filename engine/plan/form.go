package plan

// FormID names one form of a batch. Revision 0, part 0 is the form that the plan
// sealed. A revision replaces a form by others of the same batch: by one that lacks
// some rows, or by several parts of it.
type FormID struct {
	Batch    uint32 // in the plan, over all shards
	Revision uint16
	Part     uint16
}

// Form is what a form of a batch holds: the positions of a shard from From up to To,
// less the duplicates, the suppressed, and those in Dropped.
type Form struct {
	From, To uint32
	Dropped  []uint32 // ascending positions
	Messages uint32
	Bytes    uint32   // of the encoded body
	SHA256   [32]byte // of the encoded body
}
