// Package notify sends message batches to NHS Notify: POST /v1/message-batches as the
// service's contract has it. It is an engine.Sink of the kind that takes a batch
// reference once.
//
//	body.go      the bytes of a request
//	sink.go      one request on the wire
//	accepted.go  a 201: the ids joined to the messages
//	classify.go  every other answer, by status and code, never by text
package notify
