package person

// Stretch is a part of a shard as columns: one or more records at neighbouring positions, in the order
// of their rows. It is read-only, and gone when the call it was given to returns.
type Stretch struct {
	Shard       int
	Position    uint32 // of the first
	Rows, Lines []int64
	Files       []uint16
	Numbers     []uint64           // NHS numbers
	Verdicts    []uint8            // index into the Verdicts of the source
	Reference   func(i int) string // as in Record; nil where none has any
	Routes      []uint8            // nil where there is one route
	RouteCount  int                // of the campaign
}

// Lane returns the lane of the record with index i.
func (s *Stretch) Lane(i int) Lane {
	if s.Routes == nil {
		return Lane(s.Shard)
	}
	return LaneOf(s.Shard, s.RouteCount, s.Routes[i])
}

// Verdict is what was known of a record when its cohort was read: Fate, Code and Reason of
// Record. The zero Verdict is that of one to send to.
type Verdict struct {
	Fate         Fate
	Code, Reason string
}
