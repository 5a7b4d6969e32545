package notify

import (
	"cmp"
	"strings"
	"time"

	"cohort/sinks/simulator/ledger"
)

// Statuses decide the outcome of accepted messages, and its time. Shares are from 0 to 1;
// below 0 is none. The length of each step is fixed. Every message without a failure arrives
// in the end.
type Statuses struct {
	Failed    float64 // of messages: the person's record forbids them; 0.02 when zero
	NoApp     float64 // of messages to the app: the person does not use it; 0.2 when zero
	Unread    float64 // of the others: not read in the time of the plan; 0.3 when zero
	NoContact float64 // of messages in another channel: no contact detail, or one that is malformed; 0.1 when zero
	Undone    float64 // of the others: the supplier could not deliver it; 0.05 when zero
	Skipped   float64 // of channels before the last: passed over; 0.02 when zero
	Hasten    float64 // divides all delays; above 1, messages leave at night too. 1 when zero
}

func (o Statuses) withDefaults() Statuses {
	o.Failed, o.NoApp, o.Unread = cmp.Or(o.Failed, 0.02), cmp.Or(o.NoApp, 0.2), cmp.Or(o.Unread, 0.3)
	o.NoContact, o.Undone, o.Skipped = cmp.Or(o.NoContact, 0.1), cmp.Or(o.Undone, 0.05), cmp.Or(o.Skipped, 0.02)
	o.Hasten = cmp.Or(o.Hasten, 1)
	return o
}

// step is one channel of a routing plan's cascade, and its time limit.
type step struct {
	channel string
	within  time.Duration
}

const (
	toApp, toEmail, toSMS, toLetter = "nhsapp", "email", "sms", "letter"

	day           = 24 * time.Hour
	freeTextPlans = "00000000-0000-0000-0000-00000000000"
)

// freeText are the cascades of the free-text plans of every account, by the last digit of
// their id. Every other plan tries all channels.
var (
	freeText = map[string][]step{
		"1": {{toApp, day}}, "2": {{toEmail, 3 * day}}, "3": {{toSMS, 3 * day}},
		"4": {{toApp, day}, {toEmail, 3 * day}}, "5": {{toApp, 4 * time.Hour}, {toEmail, 3 * day}},
		"6": {{toApp, day}, {toSMS, 3 * day}}, "7": {{toApp, 4 * time.Hour}, {toSMS, 3 * day}},
	}
	allChannels = []step{{toApp, day}, {toEmail, 3 * day}, {toSMS, 3 * day}, {toLetter, 10 * day}}
)

func cascadeOf(plan string) []step {
	if digit, free := strings.CutPrefix(plan, freeTextPlans); free && freeText[digit] != nil {
		return freeText[digit]
	}
	return allChannels
}

// failure is the reason for the failure of a message or a channel.
type failure struct{ code, words string }

// The failures in the contract. The code of a message begins with MFR_, and that of a channel
// with CFR_. An unread message has no code.
var (
	recordFailures = []failure{
		{"PDSV_0006", "Patient does not exist in PDS"}, {"PDSV_0008", "Patient record invalidated"}, {"PDSV_0110", "Patient has an exit code"},
		{"PDSV_0111", "Patient is informally dead"}, {"PDSV_0112", "Patient is formally dead"},
	}
	noAppUser = failure{"PDSV_0004", "NHS number not found"}
	malformed = failure{"PDSV_0001", "Contact detail malformed"}
	noDetail  = failure{"PDSV_0002", "Contact detail missing"}
	undone    = failure{"SUPE_0007", "The provider could not deliver the message"}
	unread    = failure{"", "Message not read in specified time frame"}
)

// Conclude fills in what has become of an accepted message at a moment. Times are whole
// milliseconds, as the service gives them.
func (s *Service) Conclude(a *ledger.Accepted, now time.Time) {
	l := s.lifeOf(a)
	if a.Status = l.at(now); a.Status == statusFailed && l.because.code != "" {
		a.FailureReasonCode = "MFR_" + l.because.code
	}
	for _, c := range l.channels {
		if reached(c.delivered, now) {
			at := c.delivered.Truncate(time.Millisecond)
			if a.DeliveredChannel, a.DeliveredAt = c.channel, &at; c.late == "read" {
				a.ReadAt = &at
			}
		}
	}
}
