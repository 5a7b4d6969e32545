package file

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const dailyHeader = "completedDate,sendingGroupId,requestRefId,requestId,requestItemRefId,requestItemId,requestItemStatus,requestItemFailedReason,communicationType,requestItemPlanStatus,requestItemPlanFailedReason\n"

// todaysHeader has every column of the contract, and one more.
const todaysHeader = "requestid,requestrefid,requestitemid,requestitemrefid,requestitemcompletedtime,requestitemfailedreason,sendinggroupid,sendinggroupversion,sendinggroupname,sendinggroupcreatedtime,requestitemstatus,requestitemplanid,requestitemplancompletedtime,requestitemplanstatus,communicationtype,channeltype,requestitemplanfailedreason,templateid,requestitemplanfailedreasoncode,requestitemfailedreasoncode,tomorrow\n"

func dailyRows(text string) (rows []DailyRow, err error) {
	err = ReadDaily(strings.NewReader(text), func(r *DailyRow) error {
		rows = append(rows, *r)
		return nil
	})
	return rows, err
}

// Columns are found by any of their names, in any order and case. An absent column is empty.
func TestDailyReportsAreRead(t *testing.T) {
	for _, row := range []struct {
		sentence, text string
		want           []DailyRow
	}{
		{"as it is", "\xef\xbb\xbf" + dailyHeader + "2026-11-22,plan,file-1,k1,ref-1,id-1,DELIVERED,,NHSAPP,DELIVERED,\n\n2026-11-22,plan,file-1,k1,ref-3, id-3 ,FAILED,\"no contact, at all\",SMS,FAILED,lost\n", []DailyRow{
			{2, "ref-1", "id-1", "file-1", "DELIVERED", "", "NHSAPP", "DELIVERED", "", "2026-11-22", "", "", ""},
			{4, "ref-3", "id-3", "file-1", "FAILED", "no contact, at all", "SMS", "FAILED", "lost", "2026-11-22", "", "", ""},
		}},
		{"in capitals", strings.ToUpper(dailyHeader) + "d,p,b,k,r,i,s,,c,cs,cr\n", []DailyRow{{2, "r", "i", "b", "s", "", "c", "cs", "cr", "d", "", "", ""}}},
		{"other names and fewer columns", "channelStatus,messageReference\nskipped,r\n", []DailyRow{{Line: 2, Reference: "r", ChannelStatus: "skipped"}}},
		{"as the service's reporting writes it, and a new column", todaysHeader + "k1,file-1,id-1,ref-1,2026-11-22T09:00:00Z,no contact,plan,3,App,2026-11-01T09:00:00Z,FAILED,p1,2026-11-22T08:00:00Z,FAILED,NHSAPP,primary,unread,t1,CFR_1,MFR_2,x\n", []DailyRow{
			{2, "ref-1", "id-1", "file-1", "FAILED", "no contact", "NHSAPP", "FAILED", "unread", "2026-11-22T09:00:00Z", "MFR_2", "CFR_1", "2026-11-22T08:00:00Z"},
		}},
		{"both names of the time", "completedDate,requestItemRefId,RequestItemCompletedTime,requestItemStatus\nold,r,new,s\n", []DailyRow{{Line: 2, Reference: "r", Status: "s", Completed: "new"}}},
		{"a day without messages", dailyHeader, nil},
	} {
		if got, err := dailyRows(row.text); err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", row.sentence, err, got, row.want)
		}
	}
	stop := errors.New("stop")
	if err := ReadDaily(strings.NewReader(dailyHeader+"d,p,b,k,r,i,s,,c,cs,cr\n"), func(*DailyRow) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the caller's is %v", err)
	}
}

// A file that is not a daily report is refused, without a word of its content.
func TestOtherFilesAreNotDailyReports(t *testing.T) {
	for _, test := range []struct{ words, text, want string }{
		{"nothing", "", "is empty"},
		{"an upload", "messageReference,nhsNumber\nr,9990000018\n", "no column requestItemStatus or requestItemPlanStatus"},
		{"no references", "requestItemId,requestItemStatus\nx,FAILED\n", "no column requestItemRefId"},
		{"a row without one", dailyHeader + "d,p,b,k, ,i,FAILED,,,,\n", "line 2 has no requestItemRefId"},
		{"a row too short", dailyHeader + "d,p,b,k,9990000018\n", "line 2 cannot be read"},
		{"a quote in the middle", dailyHeader + "d,p,b,k,ref,9990000018\"x,FAILED,,,,\n", "line 2 cannot be read"},
	} {
		_, err := dailyRows(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(fmt.Sprint(err), "999") {
			t.Errorf("%s: %v", test.words, err)
		}
	}
}
