// Package sinktest is the suite that every sink of a service passes. The same messages become
// the same bytes. Every answer is classified as the contract says. No request is sent twice, or
// to another address. No answer of a sink tells anything about a person.
//
//	subject.go     a sink under test, and Run
//	service.go     services to send to, and credentials
//	bytes.go       the bytes of a request
//	answers.go     the table of answers
//	room.go        records that no request can hold
//	silence.go     no answer: not sent, or in doubt
//	connection.go  resets, doubled answers, answers to other requests, HTTP/2
//	mischief.go    redirects, old TLS, endless answers, answers about people
package sinktest
