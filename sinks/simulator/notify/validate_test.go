package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator/nhsapp"
)

// batch is a request of n messages.
func batch(n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"messageReference":"r%06d","recipient":{"nhsNumber":"9990548609"},"personalisation":{"given_name":"Ada","clinic":"Leeds"}}`, i)
	}
	return `{"data":{"type":"MessageBatch","attributes":{"routingPlanId":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","messageBatchReference":"b","messages":[` + strings.Join(items, ",") + `]}}}`
}

func BenchmarkValidate(b *testing.B) {
	body := []byte(batch(25_000))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		validate(body, false, nil)
	}
	b.ReportMetric(25_000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// Any bytes: no panic, and errors within the limits.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(batch(2)), false)
	f.Add([]byte(`{"data":{"type":"Message","attributes":{"routingPlanId":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","messageReference":"m","recipient":{"nhsNumber":"9990548609"}}}}`), true)
	f.Add([]byte(`{"d\u0061ta":{"type":"MessageBatch","attributes":{"messages":[{},null,[{"\\":"\""}]]}}}`), false)
	f.Fuzz(func(t *testing.T, body []byte, single bool) {
		sub, wrong := validate(body, single, nil)
		if len(wrong) > maxErrors {
			t.Errorf("%d errors", len(wrong))
		}
		for _, m := range sub.messages {
			contactRefusals(m.contact, "/c")
		}
		if len(wrong) > 0 && refuse("id", wrong...).Status < 400 {
			t.Error("a refusal without a status")
		}
	})
}

// At its own pace a message leaves only in its channel's hours.
func TestChannelsHaveTheirHours(t *testing.T) {
	moment := func(text string) time.Time {
		when, err := time.ParseInLocation("Mon 2006-01-02 15:04", text, nhsapp.London())
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, row := range []struct{ channel, from, want string }{
		{toApp, "Sat 2026-11-21 12:00", "Sat 2026-11-21 12:00"},
		{toApp, "Sat 2026-11-21 23:00", "Sun 2026-11-22 06:00"},
		{toSMS, "Mon 2026-11-23 07:59", "Mon 2026-11-23 08:00"},
		{toSMS, "Mon 2026-11-23 12:00", "Mon 2026-11-23 12:00"},
		{toEmail, "Mon 2026-11-23 18:00", "Tue 2026-11-24 08:00"},
		{toEmail, "Fri 2026-11-20 18:00", "Mon 2026-11-23 08:00"},
		{toEmail, "Sun 2026-11-22 03:00", "Mon 2026-11-23 08:00"},
		{toLetter, "Sun 2026-11-22 03:00", "Sun 2026-11-22 03:00"},
	} {
		if got := opens(row.channel, moment(row.from)); !got.Equal(moment(row.want)) {
			t.Errorf("%s from %s leaves at %s", row.channel, row.from, got)
		}
	}
}
