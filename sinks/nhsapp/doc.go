// Package nhsapp sends in-app messages or push notifications to the NHS App: one FHIR
// CommunicationRequest a request, as the service's contract has it. The service knows no
// reference and takes everything that it is sent, so it is an engine.Sink of the kind
// that can be asked later: a request that was not answered is never sent again.
//
//	body.go      the bytes of a request, and what a message may not be
//	reply.go     what may be answered to a message
//	sink.go      one request on the wire
//	accepted.go  a 201: the communication's id
//	patients.go  who of a practice's patients has the app
//	receipts.go  what the service says later of the messages of a day
//	mistake.go   what it would refuse in every message
//	classify.go  every other answer, by status, code and expression, never by text
package nhsapp
