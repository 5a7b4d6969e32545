package dispatch

import (
	"errors"
	"fmt"
	"time"

	"cohort/engine/record"
)

// begin writes down what must stand before the first attempt. It alone decides the order,
// because each step covers a crash after it:
//
//  1. The log: a start, so that a later process knows that this one may have sent.
//  2. The log: the witness, so that an older copy of the folder is recognised; then what
//     people have decided about this start.
//  3. The folder: what people have agreed to.
//  4. The register, so that no other run sends to the same people.
//
// Attempts follow, each in the log before it is on the wire. A failure leaves everything
// unsent; what was written before it does no harm.
func begin(job *Job) error {
	if err := job.Log.Open(job.Start); err != nil {
		stop := logStopped(job.Log, err)
		_ = job.Log.End(time.Now(), record.ControlHalted, stop.noted()) // as far as it can
		return stop
	}
	if job.Begin == nil {
		return nil
	}
	err := job.Log.NoteWitness(time.Now(), job.Log.Dir(), "")
	for _, n := range job.Begin.Notes {
		if err == nil {
			err = job.Log.Control(n.At, n.Verb, n.Detail)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNotBegun, err)
	} else if err = job.Begin.Remember(); err == nil {
		err = job.Begin.Register()
	}
	if err != nil {
		_ = job.Log.End(time.Now(), record.ControlStopped, "before anything was sent: "+err.Error()) // as far as it can
	}
	return err
}

// Beginning holds the steps between the start in the log and the first attempt. An error of
// its functions ends the run, and Run returns it as it is.
type Beginning struct {
	Notes    []record.Control // what people have decided about this start
	Remember func() error     // keeps in the run's folder what people have agreed to
	Register func() error     // notes durably in the register that this run is about to send
}

// ErrNotBegun says that a start could not be noted in the run's folder. Nothing was attempted.
var ErrNotBegun = errors.New("the run's folder cannot be written")
