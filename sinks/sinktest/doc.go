// Package sinktest is the one suite that every sink passes: the same bytes for the same
// messages, every answer classified as its contract has it, never a request sent twice by
// a library, nothing sent to an address that was not asked for, and not a word about a
// person.
//
//	subject.go  what a sink's tests hand in, and Run
//	service.go  services to send to, and the keys to sign in with
//	bytes.go    the bytes of a request
//	answers.go  the table of answers
//	room.go     records whose message is larger than a request may be
//	silence.go  no answer: what never left, and what may have arrived
//	connection.go  resets, doubled answers, answers to other requests, HTTP/2
//	written.go  what of it makes sense for a sink that writes files: a table of failures, replays
//	mischief.go redirects, old TLS, answers without end, answers that talk about people
package sinktest
