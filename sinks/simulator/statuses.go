package simulator

import (
	"strings"
	"time"
)

// Statuses says what becomes of the messages that NHS Notify accepted, and when. Shares are
// from 0 to 1; below 0 is none. What they do not say is fixed: how long each step takes, and
// that of those without a failure everybody is reached in the end.
type Statuses struct {
	Failed    float64 // of messages: the person's record does not let them be sent; 0.02 when zero
	NoApp     float64 // of messages to the app: the person does not use it; 0.2 when zero
	Unread    float64 // of the others: not read in the time that the plan gives the app; 0.3 when zero
	NoContact float64 // of messages in another channel: no contact detail, or one that is malformed; 0.1 when zero
	Undone    float64 // of the others: the supplier could not deliver it; 0.05 when zero
	Skipped   float64 // of channels that have another behind them: passed over; 0.02 when zero
	Hasten    float64 // all delays are divided by it; above 1, messages leave at night too. 1 when zero
}

func (o Statuses) withDefaults() Statuses {
	for _, d := range []struct {
		of    *float64
		usual float64
	}{
		{&o.Failed, 0.02}, {&o.NoApp, 0.2}, {&o.Unread, 0.3}, {&o.NoContact, 0.1}, {&o.Undone, 0.05}, {&o.Skipped, 0.02}, {&o.Hasten, 1},
	} {
		if *d.of == 0 {
			*d.of = d.usual
		}
	}
	return o
}

// step is one channel of a routing plan's cascade, and how long it is given.
type step struct {
	channel string
	within  time.Duration
}

const (
	toApp, toEmail, toSMS, toLetter = "nhsapp", "email", "sms", "letter"

	day           = 24 * time.Hour
	freeTextPlans = "00000000-0000-0000-0000-00000000000"
)

// freeText are the cascades of the free-text plans that everybody has, by the last digit of
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

// failure is why a message or a channel of it failed.
type failure struct{ code, words string }

// The failures that the contract lists. The one of a message has MFR_ before it, and that of
// a channel CFR_. An unread message's has no code.
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

// becomes is what has become of a message by now, in a word, and why it failed.
func (s *Server) becomes(a *Accepted, now time.Time) (status, code string) {
	if a.Channel == "" {
		m := s.attributes(a, now)
		return m.MessageStatus, m.FailureReasonCode
	}
	var codes []string
	for _, t := range s.tasksOf(&record{id: a.MessageID, at: a.AcceptedAt, channel: a.Channel}) {
		if !t.at.After(now) {
			codes = append(codes, t.code)
		}
	}
	return strings.Join(codes, ","), ""
}
