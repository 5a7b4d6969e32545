package delivery

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/engine/report"
	"cohort/sinks/file"
)

const dailyHeader = "completedDate,sendingGroupId,requestRefId,requestId,requestItemRefId,requestItemId,requestItemStatus,requestItemFailedReason,communicationType,requestItemPlanStatus,requestItemPlanFailedReason\n"

// A report has a row a channel. What it says of a message does not depend on the order of
// rows, nor on how often they come, nor on when what was read is put by.
func TestDailyReportsAddUp(t *testing.T) {
	ref := func(row int64) string { return sweptRun.References().Message(row).String() }
	rows := []string{
		"2026-11-22,plan,file-1,k1," + ref(1) + ",id-1,DELIVERED,,NHSAPP,DELIVERED,\n",
		"2026-11-22,plan,file-1,k1," + ref(2) + ",id-2,DELIVERED,,SMS,DELIVERED,\n",
		"2026-11-21,plan,file-1,k1," + ref(2) + ",id-2,ENRICHED,,NHSAPP,FAILED,unread\n",
		"2026-11-22,plan,file-1,k1," + ref(3) + ",id-3,FAILED,\"no contact, at all\",,,\n", // before any channel
		"2026-11-22,plan,file-1,k1," + ref(4) + ",id-4,SENDING,,NHSAPP,FAILED,unread\n",    // another channel is to come
		"2026-11-22,plan,file-1,k1," + ref(5) + ",id-5,SENDING,,EMAIL,SKIPPED,\n",
		"2026-11-22,plan,file-1,k1," + ref(6) + ",id-6,FAILED,,LETTER,FAILED,returned by 9990000018\n",
		"2026-11-22,plan,file-1,k1," + ref(8) + ",id-9,DELIVERED,,SMS,DELIVERED,\n",
		"2026-11-23,plan,file-1,k1," + ref(8) + ",id-9,FAILED,late,LETTER,FAILED,\n", // it has reached somebody all the same
		"2026-11-22,plan,file-1,k1,somebody-elses,id-0,FAILED,,LETTER,FAILED,returned\n",
	}
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	want := []report.Fact{
		{Row: 1, MessageID: "id-1", Status: "delivered", Channel: "nhsapp", Steps: "nhsapp delivered"},
		{Row: 2, MessageID: "id-2", Status: "delivered", Channel: "sms", Steps: "nhsapp failed, sms delivered"},
		{Row: 3, MessageID: "id-3", Status: "failed", Reason: "no contact, at all"},
		{Row: 4, MessageID: "id-4", Status: "open", Channel: "nhsapp", Steps: "nhsapp failed", Reason: "unread"},
		{Row: 5, MessageID: "id-5", Status: "open", Channel: "email", Steps: "email skipped"},
		{Row: 6, MessageID: "id-6", Status: "failed", Channel: "letter", Steps: "letter failed"},
		{Row: 8, MessageID: "id-9", Status: "delivered", Channel: "sms", Steps: "letter failed, sms delivered"},
	}
	for i := range want {
		want[i].Origin, want[i].At, want[i].Learned = report.OfDaily, day, day.AddDate(0, 0, 1)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		shuffled := append(slices.Clone(rows), rows[random.IntN(len(rows)-1)])
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		put := random.IntN(len(shuffled))
		f := uploaded(NewDailyReports(planOf(10), day.AddDate(0, 0, 1)))
		kept, n := InOrder(nil), 0
		err := file.ReadDaily(strings.NewReader(dailyHeader+strings.Join(shuffled, "")), func(r *file.DailyRow) error {
			f.Add(r)
			if n++; n == put {
				kept = merged(kept, f.Take())
			}
			return nil
		})
		if err != nil || f.Strangers != 1 || len(f.Twice) != 0 {
			t.Fatalf("%v: %d strangers, %d twice", err, f.Strangers, f.Twice)
		}
		var got []report.Fact
		for fact, err := range merged(kept, f.Take()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fact)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %v\nwant %v\nin the order %q", got, want, shuffled)
		}
	}
}

func TestAMessageThatWasTakenTwice(t *testing.T) {
	f := uploaded(NewDailyReports(planOf(1), time.Time{}))
	for _, id := range []string{"a", "", "a", "b"} {
		f.Add(&file.DailyRow{Reference: sweptRun.References().Message(1).String(), ID: id, Status: "DELIVERED"})
	}
	if len(f.Twice) != 1 || f.Facts[1].MessageID != "a" {
		t.Errorf("%d twice, %+v", len(f.Twice), f.Facts)
	}
}

func TestWhenThingsHappened(t *testing.T) {
	want := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-22": want.Truncate(24 * time.Hour), "2026-11-22T09:30:00Z": want, "2026-11-22T09:30:00.000+00:00": want, "2026-11-22 09:30:00": want, "2026-11-22T09:30:00": want, "22/11/26": {}, "": {},
	} {
		if got := dailyTime(text); !got.Equal(want) {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// uploaded is a fold over the reports of a run of which every message stands in an upload.
func uploaded(f *DailyReports) *DailyReports {
	for i := range f.Sent {
		f.Sent[i] = true
	}
	return f
}

// A record that was left out is no message that was accepted, whoever has delivered it.
func TestARecordThatWasNeverUploaded(t *testing.T) {
	f := NewDailyReports(planOf(2), time.Time{})
	f.Sent[1] = true
	for row := range int64(3) {
		f.Add(&file.DailyRow{Reference: sweptRun.References().Message(row + 1).String(), ID: "a", Status: "DELIVERED"})
	}
	if f.Unsent != 1 || f.Strangers != 1 || len(f.Facts) != 1 || f.Facts[2].Status != report.Delivered {
		t.Errorf("%+v", f)
	}
}
