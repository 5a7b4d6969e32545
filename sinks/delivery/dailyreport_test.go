package delivery

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/sinks/file"
)

const dailyHeader = "completedDate,sendingGroupId,requestRefId,requestId,requestItemRefId,requestItemId,requestItemStatus,requestItemFailedReason,communicationType,requestItemPlanStatus,requestItemPlanFailedReason\n"

// A report has a row a channel. What it says of a message does not depend on the order of rows, nor on
// how often they come.
func TestDailyReportsAddUp(t *testing.T) {
	rows := []string{
		"2026-11-22,plan,file-1,k1,ref-1,id-1,DELIVERED,,NHSAPP,DELIVERED,\n",
		"2026-11-22,plan,file-1,k1,ref-2,id-2,DELIVERED,,SMS,DELIVERED,\n",
		"2026-11-21,plan,file-1,k1,ref-2,id-2,ENRICHED,,NHSAPP,FAILED,unread\n",
		"2026-11-22,plan,file-1,k1,ref-3,id-3,FAILED,\"no contact, at all\",,,\n", // before any channel
		"2026-11-22,plan,file-1,k1,ref-4,id-4,SENDING,,NHSAPP,FAILED,unread\n",    // another channel is to come
		"2026-11-22,plan,file-1,k1,ref-5,id-5,SENDING,,EMAIL,SKIPPED,\n",
		"2026-11-22,plan,file-1,k1,ref-6,id-6,FAILED,,LETTER,FAILED,returned by 9990000018\n",
		"2026-11-22,plan,file-1,k1,ref-8,id-9,DELIVERED,,SMS,DELIVERED,\n",
		"2026-11-23,plan,file-1,k1,ref-8,id-9,FAILED,late,LETTER,FAILED,\n", // it has reached somebody all the same
		"2026-11-23,plan,file-1,k1,ref-9,id-9,FAILED,,SMS,FAILED,no signal\n",
		"2026-11-24,plan,file-1,k1,ref-9,id-8,FAILED,,,,\n", // taken twice
	}
	want := []string{
		"ref-1: delivered by nhsapp, id-1; nhsapp delivered",
		"ref-2: delivered by sms, id-2; nhsapp failed unread, sms delivered",
		"ref-3: failed no contact, at all, id-3;",
		"ref-4: open, id-4; nhsapp failed unread",
		"ref-5: open, id-5; email skipped",
		"ref-6: failed, id-6; letter failed",
		"ref-8: delivered by sms, id-9; letter failed, sms delivered",
		"ref-9: failed no signal, id-8 and id-9; sms failed no signal",
	}
	received := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		shuffled := append(slices.Clone(rows), rows[random.IntN(len(rows))])
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		folds := map[string]*delivery.Fold{}
		err := file.ReadDaily(strings.NewReader(dailyHeader+strings.Join(shuffled, "")), func(r *file.DailyRow) error {
			for _, e := range DailyEvents(r, received) {
				if folds[e.Reference] == nil {
					folds[e.Reference] = &delivery.Fold{}
				}
				folds[e.Reference].Add(&e)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for reference, fold := range folds {
			got = append(got, reference+": "+plainly(fold.State()))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s\nin the order %q", strings.Join(got, "\n"), strings.Join(want, "\n"), shuffled)
		}
	}
}

// plainly writes a state in few words.
func plainly(s delivery.State) string {
	words := s.Status
	for _, each := range []struct{ before, text string }{
		{" by ", s.DeliveredChannel}, {" ", s.Code}, {" ", s.Reason}, {", ", s.MessageID}, {" and ", s.OtherID},
	} {
		if each.text != "" {
			words += each.before + each.text
		}
	}
	var tried []string
	for _, a := range s.Attempts {
		tried = append(tried, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Channel, a.Status, a.Reason)))
	}
	return strings.TrimSpace(words + "; " + strings.Join(tried, ", "))
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
