// Package notify sends messages to NHS Notify, as the service's contract has it: in batches
// (POST /v1/message-batches), or each by itself (POST /v1/messages). It is an engine.Sink of
// the kind that takes a reference once, be it a batch's or a single message's.
//
//	body.go      the bytes of a request
//	details.go   what of it comes out of the record beside the personalisation, and its limits
//	sink.go      one request on the wire
//	accepted.go  a 201: the ids joined to the messages
//	classify.go  every other answer, by status and code, never by text
//	ask.go       what has become of one message: GET /v1/messages/{id}
//	accounts.go  who of a practice's patients has the NHS App
//	check.go     whether the service lets this application in, before anything is sent
//
// Token and permission are the first gates of every request, so the service answers the
// question for a message that cannot exist (404 CM_NOT_FOUND) only behind them, and makes
// nothing. /_ping, which is open, tells before it whether the address is the service's.
package notify
