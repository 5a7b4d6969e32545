package pace

import (
	"context"
	"fmt"
	"time"
)

// PermitLife is the life of a permit: a request that would leave later is not sent.
const PermitLife = 2 * time.Second

// Permits divides the requests of one application among the runs that share its key. No method waits for long. It is
// safe for concurrent use.
type Permits interface {
	// Ask takes a permit for one request. Without one, wait is the time until it is worth asking again. why tells an
	// operator the reason, once that is worth knowing. An error ends the run.
	Ask() (wait time.Duration, why string, err error)
	// Done gives back a permit.
	Done(Used)
	// Hold keeps back the requests of every run for a time, as the service asked.
	Hold(quiet time.Duration)
	// Use returns what the key is used for now.
	Use() KeyUse
}

// Used is the use of a permit.
type Used uint8

const (
	Unsent     Used = iota // nothing: no byte left this machine
	Answered               // a request that the service has answered
	Unanswered             // a request without an answer: it may still be on its way
)

// KeyUse describes the requests of one key, by all runs that share it.
type KeyUse struct {
	Share    string `json:"share"` // pace.share
	Runs     int    `json:"runs"`  // at work, with this one
	Requests int    `json:"requests_last_minute"`
	Quota    int    `json:"quota_per_minute"`
}

// Others says with how many runs the key is shared.
func (u *KeyUse) Others() string {
	switch u.Runs {
	case 1:
		return "no other run shares it now"
	case 2:
		return "shares the key's requests with 1 other run"
	}
	return fmt.Sprintf("shares the key's requests with %d other runs", u.Runs-1)
}

// Take waits for a permit, for a request that passes no gate. say is told why it takes long.
func Take(ctx context.Context, p Permits, say func(why string)) error {
	for last := ""; ; {
		wait, why, err := p.Ask()
		if wait <= 0 || err != nil {
			return err
		}
		if why != last {
			say(why)
			last = why
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
