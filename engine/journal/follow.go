package journal

// ReadOn continues where Read or ReadOn ended. It calls fn with every new record in order, and returns the new end. It
// never writes and may run while a Log appends. Its errors are those of Read; the caller may try again from the same
// tail. A log that has become shorter is damaged.
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
	if current.size < from.End {
		_ = current.file.Close()
		return from, &CorruptError{File: current.path, Offset: current.size, Err: errShort}
	}
	current.start = from.End
	tail, _, err := current.readToEnd(o.FS, dir, from.Seq+1, last, false, fn)
	if err != nil {
		return from, err
	}
	return tail, nil
}

type SegmentInfo struct {
	File     string // its path
	Number   uint64
	FirstSeq uint64 // the number of its first record, even if it has none yet
	Size     int64  // bytes
	Sealed   int64  // the end that the next segment gives; 0: it is the last segment
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
