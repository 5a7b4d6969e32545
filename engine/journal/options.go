package journal

import (
	"fmt"
	"time"
)

// Options tune a log. The zero value is what a run should use.
type Options struct {
	// SegmentBytes is the size after which a segment is followed by a new one; it may
	// be exceeded by the last group. 64 MiB when zero.
	SegmentBytes int64

	// Delay is how long a group that nobody waits for may wait for company before it
	// is written. 5 ms when zero.
	Delay time.Duration

	// Reserve is the size of the reserve file in bytes, the room in which records given
	// to Append are still written once the disk is full. 16 MiB when zero, none when
	// negative.
	Reserve int64

	// FS is the filesystem, the operating system's when nil.
	FS FS
}

// complete fills in what is zero and refuses what makes no sense.
func (o Options) complete() (Options, error) {
	if o.SegmentBytes < 0 || o.Delay < 0 {
		return o, fmt.Errorf("journal: a segment of %d bytes or a delay of %v is not possible", o.SegmentBytes, o.Delay)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.Delay == 0 {
		o.Delay = 5 * time.Millisecond
	}
	if o.Reserve == 0 {
		o.Reserve = 16 << 20
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	return o, nil
}
