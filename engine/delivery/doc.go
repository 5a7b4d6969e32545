// Package delivery says what became of messages after a service accepted them.
//
// An Event is one thing that a service said about one message. It comes from a callback, a
// status poll, a receipt or a daily report. Append and Parse are its form in a log. Fold makes
// the State of one message from its events. Sorter does that for a whole cohort in flat memory.
//
// An event never changes the fate of a message.
package delivery
