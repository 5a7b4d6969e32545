package notify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cohort/engine"
)

const badNumber = "CM_INVALID_NHS_NUMBER"

func at(i int, rest string) string { return fmt.Sprintf("/data/attributes/messages/%d%s", i, rest) }

// Rows are refused only when every error names a row of the request.
func TestRefusedRows(t *testing.T) {
	hundred := make([]string, 0, 150)
	for i := range 150 {
		hundred = append(hundred, row(badNumber, at(i, "/recipient/nhsNumber")))
	}
	upTo := func(n int) (rows []int) {
		for i := range n {
			rows = append(rows, i)
		}
		return rows
	}
	for _, test := range []struct {
		sentence string
		errors   []string
		want     []int // nil: the request as a whole is
	}{
		{"one row", []string{row(badNumber, at(1, "/recipient/nhsNumber"))}, []int{1}},
		{"the first and the last row", []string{row(badNumber, at(0, "/recipient/nhsNumber")), row("CM_NULL_VALUE", at(199, ""))}, []int{0, 199}},
		{"one row for two reasons", []string{row(badNumber, at(7, "/recipient/nhsNumber")), row("CM_DUPLICATE_VALUE", at(7, "/messageReference"))}, []int{7, 7}},
		{"the rows out of order", []string{row(badNumber, at(9, "")), row(badNumber, at(2, ""))}, []int{9, 2}},
		{"a hundred rows, which is as many as are named", hundred[:100], upTo(100)},
		{"more than a hundred rows", hundred, upTo(150)},
		{"the row behind the last", []string{row(badNumber, at(200, "/recipient/nhsNumber"))}, nil},
		{"a row far behind the last", []string{row(badNumber, at(4_000_000_000, ""))}, nil},
		{"good rows and one that is not ours", []string{row(badNumber, at(1, "")), row(badNumber, at(200, ""))}, nil},
		{"a row, and then the request", []string{row(badNumber, at(1, "/recipient/nhsNumber")), row("CM_INVALID_VALUE", planAt)}, nil},
		{"the request, and then a row", []string{row("CM_INVALID_VALUE", planAt), row(badNumber, at(1, "/recipient/nhsNumber"))}, nil},
		{"a row with a code that is the account's", []string{row(badNumber, at(1, "")), row("CM_ODS_CODE_REQUIRED", messages)}, nil},
		{"contact details, which the backend checks", []string{row("CM_INVALID_VALUE", at(1, "/recipient/contactDetails/email"))}, []int{1}},
		{"contact details of two rows", []string{row("CM_INVALID_VALUE", at(0, "/recipient/contactDetails/sms")), row("CM_INVALID_VALUE", at(1, "/recipient/contactDetails"))}, []int{0, 1}},
		{"contact details that the account may not set", []string{row("CM_CANNOT_SET_CONTACT_DETAILS", at(1, "/recipient/contactDetails"))}, nil},
		{"too many items of status 413 behind an error of status 400", []string{row(badNumber, at(1, "")), row("CM_TOO_MANY_ITEMS", messages)}, nil},
		{"a row and an error without a pointer", []string{row(badNumber, at(1, "")), `{"code":"CM_INVALID_NHS_NUMBER"}`}, nil},
		{"a row and an error without a code", []string{row(badNumber, at(1, "")), row("", at(2, ""))}, nil},
		{"a row less than nothing", []string{row(badNumber, at(-1, ""))}, nil},
		{"a row with a sign", []string{row(badNumber, messages+"/+1")}, nil},
		{"a row with a name", []string{row(badNumber, messages+"/x")}, nil},
		{"a row without a number", []string{row(badNumber, messages+"/")}, nil},
		{"a row in hexadecimal", []string{row(badNumber, messages+"/0x1")}, nil},
		{"the pointer of a single message", []string{row(badNumber, "/data/attributes/recipient/nhsNumber")}, nil},
		{"a pointer that only begins like ours", []string{row(badNumber, "/data/attributes/messagesx/1")}, nil},
		{"a pointer with something in front", []string{row(badNumber, "/x/data/attributes/messages/1")}, nil},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			s := sinkTo(t, replies(400, nil, problems(test.errors...)))
			a := s.Send(context.Background(), request(s, 1, 1, 200))
			var rows []int
			for _, r := range a.Rows {
				rows = append(rows, r.Index)
				if r.Reason == "" || r.Code == "" {
					t.Errorf("row %d has code %q and reason %q", r.Index, r.Code, r.Reason)
				}
			}
			if !slices.Equal(rows, test.want) {
				t.Errorf("rows %v, not %v", rows, test.want)
			}
			if test.want == nil && (a.Reply != engine.Refused || a.Halt == "") || test.want != nil && (a.Reply != engine.RowsRefused || a.Halt != "") {
				t.Errorf("reply %d, halt %q", a.Reply, a.Halt)
			}
		})
	}
}

func TestAHaltNamesTheErrorOutsideTheRows(t *testing.T) {
	s := sinkTo(t, replies(400, nil, problems(row(badNumber, at(1, "")), row("CM_CANNOT_SET_ODS_CODE", messages))))
	if a := send(t, s); a.Code != "CM_CANNOT_SET_ODS_CODE" || !strings.Contains(a.Halt, "ods_code") {
		t.Errorf("%+v", a)
	}
}

// The service may repeat parts of the request in any text of its answer.
func TestAnswersLeakNoPersonalData(t *testing.T) {
	const digits, name = "9990000018", "Ottilie"
	texts := func(code, pointer string) string {
		return fmt.Sprintf(`{"id":"%[1]s","code":"%[3]s","status":"%[1]s","title":"%[2]s %[1]s","detail":"%[1]s is the number of %[2]s","source":{"pointer":"%[4]s","header":"%[1]s"},"meta":{"%[1]s":"%[2]s"}}`, digits, name, code, pointer)
	}
	s := New(options(t, "http://service.example", ""))
	r := request(s, 1, 1, 3)
	for _, code := range []string{"", badNumber, "CM_INVALID_VALUE", digits, "CM_" + digits, "CM_9_9_9_0_0_0_0_0_1_8", "CM_INVALID_VALUE " + digits, "CM_INVALID_VALUE:" + name, "999 000 0018", strings.Repeat("CM_X", 100)} {
		for _, pointer := range []string{"", at(0, ""), at(1, "/recipient/nhsNumber"), at(2, "/"+digits), "/" + digits, messages + "/" + digits, planAt} {
			for _, status := range []int{200, 302, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 425, 429, 500, 502, 503, 504} {
				h := http.Header{"Retry-After": {digits}, "X-Correlation-Id": {digits}, "Location": {"/" + digits}}
				a := s.classify(r, status, h, []byte(problems(texts(code, pointer))))
				shown := a.Code + "|" + a.Halt
				for _, r := range a.Rows {
					shown += "|" + r.Code + "|" + r.Reason
				}
				plainDigits := strings.Map(func(r rune) rune {
					if r == '_' || r == ' ' {
						return -1
					}
					return r
				}, shown)
				if strings.Contains(plainDigits, digits) || strings.Contains(shown, name) || len(a.Code) > 60 {
					t.Errorf("%d %q %q: %s", status, code, pointer, shown)
				}
			}
		}
	}
}
