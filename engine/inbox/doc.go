// Package inbox keeps events of delivery until they are folded: what services said of messages.
// An event that Put has acknowledged is never lost, and no event is invented.
//
// An inbox is a folder. One process at a time writes to it, and others may read meanwhile:
//
//	lock               the process that writes
//	0000001796000000/  volumes, of about 64 MiB; each is a log of engine/journal
//	0000001796000001/  the next volume
//
// The volume that is written to last is the only one that grows. So whoever opens an inbox reads
// little, and Drop can remove whole volumes. The number of the first volume is the second in which
// the inbox was made. So a Position in a folder that was deleted and made anew fits nowhere.
//
// An event may be there more than once: its sender repeats it, and a reader that dies before it
// has saved its position reads events again. delivery.Fold ignores the repetitions.
package inbox
