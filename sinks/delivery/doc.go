// Package delivery asks what became of the messages that a service accepted.
//
// There are three sources beside callbacks: NHS Notify's status of each message (StatusPoll, of all or
// of a Sample), the NHS App's receipts (Receipts), and the daily reports of uploads over MESH
// (DailyEvents). Each of them makes events for the run's inbox. An event changes nobody's fate.
//
// Acknowledged and RefusedUploads compare what NHS Notify says of a whole upload with the run's
// log. Summary shows what is known to people.
package delivery
