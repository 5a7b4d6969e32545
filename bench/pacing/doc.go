// Package pacing measures how well requests are kept to a rate on a real clock: by the
// engine's gate, by golang.org/x/time/rate, and by vegeta's pacer.
//
//	the parent                     processes of their own
//	rounds of all cells      ──▶   a sender: 32 goroutines at one gate, which note the moment
//	medians, table, picture  ◀──   at which each was let through, and do nothing else
//
// Nothing is sent: what is measured is the waiting alone.
package pacing
