// Package simulator stands in for the NHS Notify API and the NHS App API over real
// HTTP: strict, seeded, and unkind on request.
//
// It is an oracle. It shares no code with the sender, keeps a ledger of what it
// accepted, and can be asked afterwards whether anybody was accepted twice.
//
//	POST /oauth2/token                signed assertion -> bearer token
//	POST /comms/v1/message-batches    a batch, accepted wholly or not at all
//	POST /comms/v1/messages           a single message
//	GET  /comms/v1/messages/{id}      what has become of a message by now
//	GET  /comms/channels/nhsapp/accounts?ods-organisation-code=&page=
//	GET  /comms/_ping, /comms/_status
//	POST /nhs-app/communication/in-app/FHIR/R4/CommunicationRequest
//	POST /nhs-app/communication/notification/FHIR/R4/CommunicationRequest
//	GET  /nhs-app/communication/report/receipts/FHIR/R4/Task?day=&page=
//	GET  /nhs-app/communication/report/patients?ods-organisation-code=&page=
//	GET  /_simulator/ledger           what was accepted, one JSON line a message
//	GET  /_simulator/ledger?twice=1   only people or references accepted twice
//	GET  /_simulator/ledger?statuses=1  with what has become of each by now
//	GET  /_simulator/stats            counters
//
// Every answer carries X-Cohort-Simulator with the version, so that nobody takes a
// rehearsal for the real thing.
//
// A request passes these gates, in the order of the live service:
//
//	read body ─ token 401 ─ account 403 ─ rate 429 ─ Accept 406 ─ Content-Type 415
//	  ─ path 404 ─ method 405 ─ gateway size 413 ─ validator 400/413 ┐
//	┌──────────────────────────── "the backend" ────────────────────┘
//	└ size 413 ─ account rules 400 ─ routing plan 4xx/500 ─ reference 425/422
//	  ─ accepted: written to the ledger ─ 201
//
// The NHS App knows no reference: each valid request that reaches its backend is another
// message to the person, and the ledger counts it as one. Its gates are
//
//	read body ─ token 401 ─ permission 403 ─ rate 429 ─ path 404 ─ method 405 ─ Accept 406
//	  ─ Content-Type 415 ─ validator 400 ─ accepted: written to the ledger ─ 201
//
// Where its contract is silent the stand-in has chosen: lengths are counted in UTF-16
// units; what no proxy is asked for (404 of a path, 405, 406, 413, 415) is answered with
// the gateway's own JSON; pages count from 1; a day's receipts are those whose event fell
// on it in UTC and has happened, and a day without any is 404.
//
// With a State what was accepted is on disk before it is answered, and a Server made
// later with the same file goes on with it.
//
// The body is read in full before the first gate, so that an early refusal is
// answered rather than lost in a broken connection; a body that stops half way
// accepts nothing.
//
// # Faults
//
// A faults file is YAML. Each key names a fault; its value is a share (the
// probability from 0 to 1 that it strikes a request that could suffer it) or a
// mapping with the share and further settings:
//
//	reset_after: 0.02
//	truncated_201: {share: 1, limit: 1}       # once, on the first 201
//	quota_429: {share: 0.05, retry_after: 1s}
//	latency: {fixed: 20ms, jitter: 30ms}
//
// Every fault but poisoned_recipients takes "after" (it sleeps through so many
// chances first) and "limit" (it strikes so many times at most; 0, no limit).
//
//	reset_before          connection reset; nothing was accepted
//	reset_after           decided (accepted, or found a duplicate), then reset
//	timeout_after         decided, held for "hold" (29s), then 504 CM_TIMEOUT
//	gateway_504_after     decided, then 504 CM_TIMEOUT at once
//	gateway_504_before    504 CM_TIMEOUT; nothing was accepted
//	truncated_201         accepted; the 201 stops in the middle of its body
//	quota_429             429 CM_QUOTA; "retry_after" (60s)
//	spike_429             429 CM_QUOTA; "retry_after" (1s)
//	too_early_425         a replay of an accepted reference is answered 425 for
//	                      "processing" (as long as retry_after), drawn once for
//	                      each reference; "retry_after" (300s) here also goes
//	                      with every 425 that no fault made
//	slow_accept           accepted, reset, and replays get 425 for "processing"
//	                      (as long as retry_after); "retry_after" (300s)
//	delivered_twice       a gateway delivers the POST twice: the first is accepted after
//	                      "processing" (as long as retry_after), and the second, whose
//	                      answer this is, gets 425; "retry_after" (300s)
//	unavailable_503       503; Retry-After from "retry_after" (5s)
//	unavailable_503_bare  503 without Retry-After, as the live policy
//	error_500_before      500 CM_INTERNAL_SERVER_ERROR; nothing was accepted
//	error_500_after       decided, then the same 500
//	bad_gateway_502       502 CM_BAD_GATEWAY; nothing was accepted
//	html_error            502 with an HTML body; nothing was accepted
//	token_revoked         401 CM_DENIED, and the token is void; only tokens that
//	                      have served five answered requests
//	token_endpoint_500    the token endpoint answers 500; the jti is used up
//	token_jwks_403        the token endpoint cannot reach the public keys
//	latency               the backend thinks for "fixed" plus up to "jitter";
//	                      share 1 when not given
//	poisoned_recipients   share of NHS numbers, always the same for one seed, that
//	                      the validator refuses though they are valid
//	banned                403 CM_SERVICE_BAN; share 1 when not given
//	no_such_plan          404 CM_NO_SUCH_ROUTING_PLAN
//	not_onboarded         403 CM_FORBIDDEN; share 1 when not given
//	token_refused         401 CM_DENIED to a token that holds, fresh ones too: the
//	                      application may not use this service; share 1 when not
//	                      given
//	token_audience_401    the token endpoint knows itself by another address than
//	                      the one it was asked at, and refuses 'aud'
//	clock_ahead           the service's clock, and with it the Date of every answer,
//	clock_behind          is off by "fixed"; these take nothing else
//
//	busy_429              429 because the whole API is busy (NHS App only)
//
// At the NHS App too_early_425, slow_accept, delivered_twice and no_such_plan never strike; every 5xx is
// an OperationOutcome of code unknown, spike_429 and busy_429 carry no Retry-After, and a
// token that was revoked is called expired.
//
// Each fault draws from a stream of its own, made from the seed, so adding a
// fault to a file leaves the others' decisions as they were.
package simulator
