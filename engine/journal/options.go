package journal

import (
	"cmp"
	"fmt"
	"time"

	"cohort/engine/disk"
)

// Options tune a log. A run uses the zero value.
type Options struct {
	SegmentBytes int64         // where the next segment starts, when a group has reached it; 64 MiB when zero
	Delay        time.Duration // longest wait of appended records, unless a caller waits for them; 5 ms when zero
	Reserve      int64         // bytes that Append may use on a full disk; 16 MiB when zero, none when negative
	FS           disk.FS       // the operating system's when nil
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
		o.FS = disk.OS()
	}
	return o, nil
}
