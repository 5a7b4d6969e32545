package ledger

import (
	"cohort/ingest/person"
)

// unsent is how many messages still have to be sent, as far as anybody knows.
func Unsent(a Account) int64 { return a.Fates[person.NotSent] + a.Fates[person.InDoubt] }
