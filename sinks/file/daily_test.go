package file

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const dailyHeader = "completedDate,sendingGroupId,requestRefId,requestId,requestItemRefId,requestItemId,requestItemStatus,requestItemFailedReason,communicationType,requestItemPlanStatus,requestItemPlanFailedReason\n"

// A report has a row a channel. What it says of a message does not depend on the order of
// rows, nor on how often they come.
func TestDailyReports(t *testing.T) {
	rows := []string{
		"2026-11-22,plan,file-1,k1,ref-1,id-1,DELIVERED,,NHSAPP,DELIVERED,\n",
		"2026-11-22,plan,file-1,k1,ref-2,id-2,DELIVERED,,SMS,DELIVERED,\n",
		"2026-11-22,plan,file-1,k1,ref-2,id-2,ENRICHED,,NHSAPP,FAILED,unread\n",   // yesterday's row of it
		"2026-11-22,plan,file-1,k1,ref-3,id-3,FAILED,\"no contact, at all\",,,\n", // before any channel
		"2026-11-22,plan,file-1,k1,ref-4,id-4,SENDING,,NHSAPP,FAILED,unread\n",    // another channel is to come
		"2026-11-22,plan,file-1,k1,ref-5,id-5,SENDING,,EMAIL,SKIPPED,\n",
		"2026-11-22,plan,file-1,k1,ref-6,id-6,FAILED,,LETTER,FAILED,returned\n",
		"2026-11-22,plan,file-1,k1,ref-7,id-7,DELIVERED,,SMS,DELIVERED,\n",
		"2026-11-22,plan,file-2,k2,ref-7,id-8,DELIVERED,,SMS,DELIVERED,\n", // taken twice
		"2026-11-22,plan,file-1,k1,ref-8,id-9,DELIVERED,,SMS,DELIVERED,\n",
		"2026-11-22,plan,file-1,k1,ref-8,id-9,FAILED,late,LETTER,FAILED,\n", // it has reached somebody all the same
	}
	one := []string{"file-1"}
	want := map[string]*DailyMessage{
		"ref-1": {IDs: []string{"id-1"}, Batches: one, Delivered: []string{"nhsapp"}, Status: DailyDelivered},
		"ref-2": {IDs: []string{"id-2"}, Batches: one, Delivered: []string{"sms"}, Failed: []string{"nhsapp"}, Status: DailyDelivered, Reason: "unread"},
		"ref-3": {IDs: []string{"id-3"}, Batches: one, Status: DailyFailed, Reason: "no contact, at all"},
		"ref-4": {IDs: []string{"id-4"}, Batches: one, Failed: []string{"nhsapp"}, Status: DailyOpen, Reason: "unread"},
		"ref-5": {IDs: []string{"id-5"}, Batches: one, Status: DailyOpen},
		"ref-6": {IDs: []string{"id-6"}, Batches: one, Failed: []string{"letter"}, Status: DailyFailed, Reason: "returned"},
		"ref-8": {IDs: []string{"id-9"}, Batches: one, Delivered: []string{"sms"}, Failed: []string{"letter"}, Status: DailyDelivered, Reason: "late"},
		"ref-7": {IDs: []string{"id-7", "id-8"}, Batches: []string{"file-1", "file-2"}, Delivered: []string{"sms"}, Status: DailyDelivered},
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		shuffled := append(slices.Clone(rows), rows[rng.IntN(len(rows))])
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		cut := rng.IntN(len(shuffled) + 1)
		var d Daily
		must(t, d.Add(strings.NewReader("\xef\xbb\xbf"+dailyHeader+strings.Join(shuffled[:cut], ""))))
		must(t, d.Add(strings.NewReader(strings.ToUpper(dailyHeader)+strings.Join(shuffled[cut:], ""))))
		if d.Rows != len(rows)+1 || !reflect.DeepEqual(d.Messages, want) {
			for ref, m := range d.Messages {
				t.Errorf("%s: %+v, want %+v", ref, m, want[ref])
			}
			t.Fatalf("%d rows in the order %q", d.Rows, shuffled)
		}
	}
}

// What is no daily report is refused, without a word of what it holds.
func TestWhatIsNoDailyReport(t *testing.T) {
	for _, test := range []struct{ words, text, want string }{
		{"nothing", "", "is empty"},
		{"an upload", "messageReference,nhsNumber\nr,9990000018\n", "says nothing of its messages"},
		{"no references", "requestItemId,requestItemStatus\nx,FAILED\n", "no column requestItemRefId"},
		{"a row without one", dailyHeader + "d,p,b,k, ,i,FAILED,,,,\n", "line 2 has no requestItemRefId"},
		{"a row too short", dailyHeader + "d,p,b,k,9990000018\n", "line 2 cannot be read"},
		{"a quote in the middle", dailyHeader + "d,p,b,k,ref,9990000018\"x,FAILED,,,,\n", "line 2 cannot be read"},
	} {
		var d Daily
		err := d.Add(strings.NewReader(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(fmt.Sprint(err), "999") {
			t.Errorf("%s: %v", test.words, err)
		}
	}
}
