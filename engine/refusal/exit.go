package refusal

const (
	ExitDone   = 0
	ExitDefect = 1
	// 2 is the Go runtime's own: a crash, such as SIGABRT or out of memory.
	ExitStopped = 3
	ExitInDoubt = 4
	ExitRefused = 10
)
