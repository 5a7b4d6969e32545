package journal

// ReadOn reads on where Read or ReadOn ended: fn gets every record that has come since,
// in order, and the new end is returned. Where nothing has come it is the same. It never
// writes and may run while a Log appends. Errors are those of Read; after one, reading
// may be tried again from the same tail. A log that has become shorter is damaged.
func ReadOn(dir string, run [16]byte, o Options, from Tail, fn func(Record) error) (Tail, error) {
	o, err := o.complete()
	if err != nil {
		return from, err
	}
	if from.Segment == 0 {
		return Read(dir, run, o, fn)
	}
	last, err := lastSegment(o.FS, dir)
	if err != nil {
		return from, err
	}
	current, err := openSegment(o.FS, dir, run, from.Segment, false)
	if err != nil {
		return from, err
	}
	defer func() { _ = current.file.Close() }()
	if current.size < from.End {
		return from, &CorruptError{File: current.path, Offset: current.size, Err: errShort}
	}
	current.start = from.End
	next := from.Seq + 1
	for number := from.Segment + 1; number <= last; number++ {
		successor, err := openSegment(o.FS, dir, run, number, false)
		if err != nil {
			return from, err
		}
		next, err = current.readSealed(successor, next, fn)
		_ = current.file.Close()
		current = successor
		if err != nil {
			return from, err
		}
	}
	return current.readLast(next, fn)
}

// SegmentInfo describes one segment of a log.
type SegmentInfo struct {
	File     string // its path
	Number   uint64
	FirstSeq uint64 // of its first record, whether or not it has one
	Size     int64  // bytes
	Sealed   int64  // where the next segment says that its records end; 0: it is the last
}

// Segments describes the segments of a log in order, from their headers alone. It may
// run while a Log appends. Errors are those of Read.
func Segments(dir string, run [16]byte, o Options) ([]SegmentInfo, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	last, err := lastSegment(o.FS, dir)
	if err != nil {
		return nil, err
	}
	var all []SegmentInfo
	for number := uint64(1); number <= last; number++ {
		s, err := openSegment(o.FS, dir, run, number, false)
		if err != nil {
			return nil, err
		}
		_ = s.file.Close() // it was opened for reading
		if number > 1 {
			all[number-2].Sealed = int64(s.prevEnd)
		}
		all = append(all, SegmentInfo{File: s.path, Number: number, FirstSeq: s.firstSeq, Size: s.size})
	}
	return all, nil
}
