// Package notify sends messages to NHS Notify, in batches (POST /v1/message-batches) or one by
// one (POST /v1/messages). Its sink is an engine.Sink of the kind that takes the reference of a
// batch or of a single message once.
//
// Every answer is classified by status and code, never by its text.
package notify
