package pace

import (
	"time"
)

func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func Sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
