// Package delivery keeps what became of the messages that a service accepted, and asks for it.
//
// There are three sources: NHS Notify's status of each message (StatusPoll), the NHS App's
// receipts (Receipts), and the daily reports of uploads over MESH (DailyReports). Each of them
// makes facts, which Facts merges into one file in the run's folder. A fact changes nobody's fate.
//
// Acknowledged and RefusedUploads compare what NHS Notify says of a whole upload with the run's
// log. Summary and FallbackSummary show the facts to people.
package delivery
