// Package facts has what the services said of the messages of one run.
//
// A receiver of callbacks stores the events of all runs in one inbox, in the folder of the runs. It
// knows no run. Who holds a run copies the run's events from there into the run's own inbox, and
// adds what it learns by asking. So a run's folder is whole in itself.
//
//	RUNS/.callbacks/     the shared inbox: callbacks about the messages of all runs
//	RUN/inbox/           the run's own inbox: callbacks, polled statuses, receipts and daily reports
//	RUN/inbox/read.json  how far the run has read the shared inbox
//
// Both may hold an event more than once. delivery.Fold ignores the repetitions.
package facts
