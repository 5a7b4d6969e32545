package terminal

import (
	"os"
	"os/signal"
	"syscall"
)

// outliveReaders has a run go on when the reader of its output has gone: by default the
// write to a broken pipe would kill the process, with requests under way.
func OutliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
