package main

const resendHelp = `
With --resend-in-doubt a person has sent again what is in doubt and no receipt names. It
needs a reason, which is recorded. Whom the service has reached all the same, and whose
receipt got lost, gets the message twice: nobody can say that it has not. So it is refused
until the receipts have had the time to come: a message may be sent again when the whole
day after the day of its last attempt is over (UTC, and an hour for clocks that differ),
and all of these reports were read. Never sent again is whom a suppression list names or
has named, and nothing of which only a log that was lost knows. It is also refused where
receipts that did not come prove nothing: for messages that were attempted with another API
key, since an application is shown its own receipts only, and when of the messages that were
accepted on the same day, or of all, less than half have a receipt. It sends nothing: the next
resume does, under the same references. --dry-run shows what would become of them.
`
