// Package nhsapp sends in-app messages or push notifications to the NHS App: one FHIR
// CommunicationRequest a request. The service knows no reference and accepts every request. So its
// sink is an engine.Sink of the kind that can be asked later: an unanswered request is never sent
// again.
//
// Every answer is classified by status, code and expression, never by its text.
package nhsapp
