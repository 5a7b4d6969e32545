package journal

import (
	"cmp"
	"fmt"
	"time"
)

// Options tune a log. A run uses the zero value.
type Options struct {
	// SegmentBytes is the size at which the next segment starts. The last group of a
	// segment may exceed it. 64 MiB when zero.
	SegmentBytes int64

	// Delay is the longest time that appended records wait before they are written, unless
	// a caller waits for them. 5 ms when zero.
	Delay time.Duration

	// Reserve is the size of the reserve file in bytes. Its room takes records from Append
	// when the disk is full. 16 MiB when zero, none when negative.
	Reserve int64

	// FS is the filesystem, the operating system's when nil.
	FS FS
}

// complete fills in the defaults and refuses negative values.
func (o Options) complete() (Options, error) {
	if o.SegmentBytes < 0 || o.Delay < 0 {
		return o, fmt.Errorf("journal: a segment of %d bytes or a delay of %v is not possible", o.SegmentBytes, o.Delay)
	}
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 64<<20)
	o.Delay = cmp.Or(o.Delay, 5*time.Millisecond)
	o.Reserve = cmp.Or(o.Reserve, 16<<20)
	if o.FS == nil {
		o.FS = osFS{}
	}
	return o, nil
}
