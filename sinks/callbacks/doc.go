// Package callbacks receives what NHS Notify and the NHS App say about messages that they accepted.
//
// A Receiver is an http.Handler. It checks the sender, reads the body into events, stores them, and
// only then answers 202. It knows no runs: every callback from a trusted sender is stored, also one
// that it does not understand. docs/callbacks.md has the table of answers.
//
// The services repeat a callback after a 5xx, for two hours, and never after another answer. So our
// own faults are 503, and nothing that is verified is refused for its contents. A wrong secret may be
// our own fault, too, as long as nothing has verified.
//
// API key and signature are compared in constant time, before anything is parsed. A callback has no
// signed time, so it can be repeated for ever. That changes nothing: the same event counts once. No
// signature, body, API key or NHS number is logged.
//
// Sources: specification/callbacks of NHSDigital/communications-manager-api, specifications-callbacks
// of NHSDigital/nhs-app-api, and the sender NHSDigital/nhs-notify-client-callbacks.
package callbacks
