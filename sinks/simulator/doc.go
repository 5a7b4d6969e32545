// Package simulator stands in for the NHS Notify API and the NHS App API over real HTTP. It is
// strict and seeded, and spoils requests on demand.
//
// It is an oracle. It shares no code with the sender, keeps a ledger of accepted messages, and
// tells afterwards whether anybody was accepted twice.
//
// The platform and NHS Notify:
//
//	POST /oauth2/token                signed assertion -> bearer token
//	POST /comms/v1/message-batches    a batch, accepted wholly or not at all
//	POST /comms/v1/messages           a single message
//	GET  /comms/v1/messages/{id}      the status of a message
//	GET  /comms/channels/nhsapp/accounts?ods-organisation-code=&page=
//	GET  /comms/_ping, /comms/_status
//
// The NHS App:
//
//	POST /nhs-app/communication/in-app/FHIR/R4/CommunicationRequest
//	POST /nhs-app/communication/notification/FHIR/R4/CommunicationRequest
//	GET  /nhs-app/communication/report/receipts/FHIR/R4/Task?day=&page=
//	GET  /nhs-app/communication/report/patients?ods-organisation-code=&page=
//
// The simulator itself:
//
//	GET  /_simulator/ledger           accepted messages, one JSON line each
//	GET  /_simulator/ledger?twice=1   only people or references accepted twice
//	GET  /_simulator/ledger?statuses=1  with the outcome of each so far
//	GET  /_simulator/stats            counters
//	GET  /_simulator/callbacks        counters of the callbacks sent
//
// Every answer carries X-Cohort-Simulator with the version, so that nobody takes a rehearsal
// for the real thing.
//
// The rooms:
//
//	gateway   the platform before both APIs: tokens, gates, the way an answer leaves
//	faults    which requests are spoilt, and how; the form of a faults file
//	notify    the NHS Notify API
//	nhsapp    the NHS App API
//	callbacks the callbacks of both services, and their faults
//	ledger    accepted requests, their ids, and the file that keeps them
//
// With a State, an accepted request is on disk before its answer leaves, and a later Server
// with the same file goes on with it.
package simulator
