// Package share divides the requests of one application among the runs of one machine that name the same pace.share.
//
// # The promise
//
// In any minute at most the quota reaches the service, and in any second a sixtieth of it and one request more. That
// holds as the service measures it, whatever happens to the runs: they may be killed, stand still, or lose the file.
//
// # Why it holds
//
// The runs keep one small file, under a lock that is held for some microseconds. There is no server to elect,
// restart or trust. The file counts each request from its permit until its answer: in this time it may
// reach the service at any moment. A permit is given when fewer requests than the limit may have reached the service in
// the window before now, or may still reach it. Take any window of the service, and of its requests the one with the
// latest permit. When that was given, every other request of the window was counted: its answer had not come, or came
// after the window's start. So there were fewer than the limit.
//
//   - A request counts until its answer is in the file, and then for a window more. Moments are rounded up to the next
//     twentieth of a second.
//   - A run that stands still keeps what it has in the air. Each of its requests takes one place from the others, also
//     if the process stopped between the last look at the clock and the first byte. So it costs speed.
//   - The kernel drops a dead run's lock. Its requests count until 2 s after that was noticed, for bytes that are still
//     on their way. So do requests that were given up without an answer.
//   - A process may also stand still with the lock. After a second the others begin another generation of the file, and
//     go on from what the first one has. A change is void if its generation is over when it has been written. So the
//     others have every change that holds, and the process uses no permit that they do not know.
//   - A permit has a life of 2 s ([pace.PermitLife]). The transport looks at it just before the first byte, after the
//     token and the connection, and sends nothing later. So a process that loses the file or its lock does little harm.
//   - The clock is the kernel's monotonic one, the same for all processes. Nobody can set it. It may run too fast by a
//     thousandth at most, and the windows are longer by that.
//   - A file that is damaged, removed, or of another start of the machine tells nothing of the minute before. So
//     nobody sends for a minute and 2 s. The same holds for the whole folder, in a register whose runs have sent: the
//     first run that names a share there waits once.
//
// The price is the time of an answer: at 0.1 s about 18 of 20 requests a second pass.
//
// # Who is next
//
// A run that wants a permit says so in the file, for the next quarter of a second. Urgent runs go first. Among the
// others each permit costs its run the inverse of its weight, and the run that has paid least is next. The others need
// not wait for a run that wants nothing. When it returns, it may catch up one request of the lightest weight.
//
// # What counts
//
// Every request that holds messages: first attempts, repetitions, replays and probes. So do the questions of cohort
// reconcile about messages, and the look at the service before a start. Tokens do not: they come from another API.
// Pings do not: they name no application. What people start by hand is not counted either: cohort auth check, cohort
// reach, and the reading of the NHS App's receipts.
package share
