package ledger

// Where a log, and a second copy of the revisions, are built that take the place of lost
// ones. What is there while the others are there too is litter.
const (
	NewLogFolder  = "log.new"
	NewCopyFolder = "revisions.new"
)
