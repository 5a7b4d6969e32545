package person

// Stretch is one or more records of a shard at neighbouring positions, as columns, in the order
// of their rows. It is read-only, and valid only during the call that it is given to.
type Stretch struct {
	Shard       int
	Position    uint32 // of the first
	Rows, Lines []int64
	Files       []uint16
	Numbers     []uint64             // NHS numbers
	Verdicts    []uint8              // indices into the Verdicts of the source
	Reference   func(i int) string   // as in Record; nil when no record has one
	Kept        []func(i int) string // by column to keep: its values, without white space around them
	Routes      []uint8              // nil when there is one route
	RouteCount  int                  // the number of the campaign's routes
}

// Lane returns the lane of the record with index i.
func (s *Stretch) Lane(i int) Lane {
	if s.Routes == nil {
		return Lane(s.Shard)
	}
	return LaneOf(s.Shard, s.RouteCount, s.Routes[i])
}

// Verdict is the fate of a record from the reading of its cohort: Fate, Code and Reason of
// Record. The zero Verdict is for a record to send.
type Verdict struct {
	Fate         Fate
	Code, Reason string
}
