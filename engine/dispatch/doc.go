// Package dispatch runs a plan: it queues the forms, lets workers send them through the
// gate, and settles the answers in the progress log.
package dispatch
