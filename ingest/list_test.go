package ingest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cohort/ingest/format"
)

func TestLists(t *testing.T) {
	const a, b, c = "9990000018", "9990000026", "9990000034" // made, of nobody
	for sentence, test := range map[string]struct {
		text   string
		format format.Format
		want   string // the numbers and their reasons
		bad    int64  // unreadable rows, which are tolerated
		empty  int64
		blank  int64
		err    string
	}{
		"a column of numbers and no header":            {text: a + "\n" + b + "\n", want: a + " " + b},
		"one number without a line end":                {text: a, want: a},
		"a header in capitals with a space":            {text: "NHS Number\n" + a + "\n", want: a},
		"a header with a dot":                          {text: "NHS No.\n" + a + "\n", want: a},
		"any header over the only column":              {text: "patients\n" + a + "\n", want: a},
		"reasons of its own, and a date":               {text: "nhs_number,reason,date\n" + a + ",opted_out,2026-01-02\n" + b + ",,\n", want: a + "=opted_out " + b},
		"a reason in free text may speak of somebody":  {text: "nhs_number,reason\n" + a + ",Moved to Spain\n", want: a},
		"other columns are not looked at":              {text: "id;nhsNumber;name\n1;" + a + ";Ann\n", want: a},
		"no header, the second column is the number":   {text: "x|" + a + "|y\nz|" + b + "|w\n", want: a + " " + b},
		"spaces in the numbers":                        {text: "nhs_number\n999 000 0018\n", want: a},
		"an upload file of NHS Notify":                 {text: "messageReference,nhsNumber,personalisation_x\nr1," + a + ",y\n", want: a},
		"header said to be absent":                     {text: a + "\n" + b + "\n", format: format.Format{Header: new(bool)}, want: a + " " + b},
		"one bad row among many":                       {text: "nhs_number\n" + strings.Repeat(a+"\n", 30) + "?\n", want: strings.TrimSuffix(strings.Repeat(a+" ", 30), " "), bad: 1},
		"a comma too many behind the number":           {text: "nhs_number,note\n" + a + ",died, at home\n" + b + ",\n", want: a + " " + b},
		"a comma too many before the number":           {text: "name,nhs_number,reason\nLee, Ann," + a + ",opted_out\nBo," + b + ",opted_out\n", want: a + " " + b + "=opted_out"},
		"only the number of several columns":           {text: "nhs_number,reason,note\n" + a + "\n" + b + ",opted_out,\n", want: a + " " + b + "=opted_out"},
		"bytes that are no text beside the number":     {text: "nhs_number,name\n" + a + ",Jos\xe9\n" + b + ",a\x00b\n", want: a + " " + b},
		"oddly written numbers":                        {text: "nhs_number\n'" + a + "\n" + b + ".0\n9990\u200b000034\n\ufeff" + a + "\n999\u202f000\u202f0026\n999\u2013000\u20130034\n=\"" + a + "\"\n\"=\"\"" + b + "\"\"\"\n", want: strings.Join([]string{a, b, c, a, b, c, a, b}, " ")},
		"an oddly written number in the first line":    {text: "'" + a + "\n" + b + "\n", want: a + " " + b},
		"a lost number in the first line":              {text: "9.99E+09\n" + b + "\n", err: "list.csv:1: no NHS number can be read from this row: a spreadsheet has shortened the NHS number (as 9.99E+09), and its last digits are lost"},
		"a mistyped number in the first line":          {text: "99900000I8\n" + b + "\n", err: "list.csv:1: no NHS number can be read from this row"},
		"empty cells are only counted":                 {text: "nhs_number,reason\n,x\n" + a + ",x\n\u200b,x\n-,x\n\" \",x\n", want: a + "=x", empty: 4},
		"two numbers under one heading":                {text: "nhs_number\n" + a + "," + b + "\n" + c + "\n", err: "list.csv:2: no NHS number can be read from this row: the row has too few or too many values and more than one NHS number: a line end may be lost; correct the list"},
		"a lost line end, a text before the number":    {text: "nhs_number,x\n" + c + ",\n" + a + ",a" + b + ",b\n", err: "list.csv:3: no NHS number can be read from this row: the row has too few"},
		"a lost line end, a date before the number":    {text: "nhs_number,x\n" + a + ",2026-01-02" + b + ",2026-01-02\n", err: "list.csv:2: no NHS number can be read from this row: the row has too few"},
		"a lost line end, the number is the last":      {text: "x,nhs_number\na," + a + "b," + b + "\n", err: "list.csv:2: no NHS number can be read from this row: the row has too few"},
		"a lost delimiter and a lost line end":         {text: "nhs_number,x\n" + a + ",a," + b + "\n", err: "list.csv:2: no NHS number can be read from this row: the row has too few"},
		"too few values, the last with a number":       {text: "nhs_number,x,y\n" + a + ",a999 000 0026\n", err: "list.csv:2: no NHS number can be read from this row: the row has too few"},
		"an empty number and another beside it":        {text: "nhs_number,other\n" + c + ",\n," + b + "\n", err: "list.csv:3: no NHS number can be read from this row: the NHS number is empty, and another column holds one"},
		"the same number twice in a row too long":      {text: "nhs_number,other\n" + a + ",x," + a + "\n", want: a},
		"a number in another column of its own":        {text: "nhs_number,other\n" + a + "," + b + "\n", want: a},
		"two numbers in a row, tolerated":              {text: "nhs_number\n" + c + "\n" + a + "," + b + "\n", want: c, bad: 1},
		"a line of NUL bytes":                          {text: "nhs_number\n" + a + "\n\x00\x00\x00\n" + b + "\n", err: "list.csv:3: no NHS number can be read from this row"},
		"NUL bytes at the end":                         {text: "nhs_number\n" + a + "\n" + strings.Repeat("\x00", 512), err: "list.csv:3: no NHS number can be read from this row: the row holds NUL bytes or other control characters, and may have held an NHS number"},
		"a line of NUL bytes and delimiters":           {text: "nhs_number,x\n" + a + ",\n,\x00\n", err: "list.csv:3: no NHS number can be read from this row: the row holds NUL bytes"},
		"NUL bytes over rows behind a number":          {text: "nhs_number,x\n" + a + "," + strings.Repeat("\x00", 40) + "\n" + b + ",\n", err: "list.csv:2: no NHS number can be read from this row: the row holds NUL bytes"},
		"NUL bytes over rows, right behind the number": {text: "nhs_number\n" + b + "\n" + a + strings.Repeat("\x00", 11) + "\n" + b + "\n", err: "list.csv:3: no NHS number can be read from this row: the row holds NUL bytes"},
		"numbers filled up with NUL bytes":             {text: "nhs_number\n" + a + "\x00\x00\n" + b + "\x00\x00\n", want: a + " " + b},
		"a line of another control character":          {text: "nhs_number\n" + a + "\n\x1a\n" + b + "\n", err: "list.csv:3: no NHS number can be read from this row"},
		"a cell of NUL bytes, tolerated":               {text: "nhs_number,x\n" + a + ",x\n\x00,x\n", want: a, bad: 1},
		"the end of a file as DOS writes it":           {text: "nhs_number\r\n" + a + "\r\n\x1a", want: a, blank: 1},
		"blank lines are counted":                      {text: "nhs_number\n\n" + a + "\n \t\n\"\"\n", want: a, blank: 3},
		"a negative number":                            {text: "nhs_number\n" + a + "\n-" + b + "\n", err: "list.csv:3: no NHS number can be read from this row: the NHS number is negative"},
		"a byte that is no text in the number":         {text: "nhs_number\n" + a + "\n" + b + "\xa0\n", err: "list.csv:3: no NHS number can be read from this row"},
		"a header line in the middle":                  {text: "nhs_number\n" + a + "\nnhs_number\n" + b + "\n", err: "list.csv:3: no NHS number can be read from this row"},
		"several unreadable rows":                      {text: "nhs_number\n" + a + "\n?\n1\n", err: "list.csv:3: no NHS number can be read from this row: the NHS number holds something other than digits, spaces and hyphens; 2 rows of the list cannot be read; correct the list, because such a row may name somebody; or ignore such rows with unreadable: 2 beside the list"},
		"as many as are tolerated":                     {text: "nhs_number\n" + a + "\n?\n1\n", want: a, bad: 2},
		"a row of another length that names nobody":    {text: "nhs_number,name,note\n" + a + ",x,y\nwho,is,this,now\n", err: "list.csv:3: no NHS number can be read from this row: more values than the header has"},
		"a row of another length with two numbers":     {text: "name,nhs_number\n" + "x,y," + a + "," + b + "\n", err: "list.csv:2: no NHS number can be read from this row"},
		"a heading like a date beside the number's":    {text: "nhs_number,2026-11-21\n" + a + ",x\n", want: a},
		"header said, and there is none":               {text: a + "\n" + b + "\n", format: format.Format{Header: yes()}, err: "the first line holds an NHS number, but the list's format has header: true"},
		"a list of names, all of them tolerated":       {text: "nhs_number\nAnn\nBob\n", bad: 2, err: "no row has an NHS number; make sure that this is a list of NHS numbers"},
		"a list of nothing but empty cells":            {text: "nhs_number,x\n,1\n,2\n", err: "no row has an NHS number; make sure that this is a list of NHS numbers"},
		"nothing":                                      {text: "", err: "the file is empty"},
		"a header and nobody":                          {text: "nhs_number\n", err: "there are no records after the header line"},
		"several columns, none of them called so":      {text: "id,person\n1,2\n", err: "it is not clear which of the 2 columns holds the NHS numbers; rename that column to nhs_number"},
		"two columns that might be it":                 {text: "nhs_number,NHS No\n" + a + "," + b + "\n", err: `which of the 2 columns holds the NHS numbers: "nhs_number", "NHS No"; rename`},
		"two numbers in a row without a header":        {text: a + "," + b + "\n" + b + "," + c + "\n", err: "which of the 2 columns holds the NHS numbers; give the list a header line that calls that column nhs_number"},
	} {
		path := filepath.Join(t.TempDir(), "list.csv")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []string
		l, err := OpenList(t.Context(), path, test.format)
		if err == nil {
			for e, fault := range l.People(test.bad) {
				if fault != nil {
					err = fault
					break
				}
				word := e.Number.Digits()
				if e.Reason != "" {
					word += "=" + e.Reason
				}
				got = append(got, word)
			}
		}
		if test.err != "" {
			var refused *format.FileError
			// The folder's name has digits of its own, which may happen to look like a number's.
			said := strings.ReplaceAll(fmt.Sprint(err), path, "list.csv")
			if !errors.As(err, &refused) || !strings.Contains(said, test.err) || strings.Contains(said, "999") {
				t.Errorf("%s: %v, and should say %q", sentence, err, test.err)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q, %v; want %q", sentence, got, err, test.want)
			continue
		}
		n := l.Count()
		if digest, err := l.Digest(); err != nil || digest == [32]byte{} || int(n.People) != len(got) || n.Unreadable != test.bad || n.Empty != test.empty || n.Blank != test.blank || len(n.Lines) != int(min(test.bad, 5)) {
			t.Errorf("%s: %+v, digest %x, %v", sentence, n, digest[:2], err)
		}
	}
}

func yes() *bool { b := true; return &b }

func TestAListThatIsAPipeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no pipes here")
	}
	if _, err := OpenList(t.Context(), path, format.Format{}); err == nil || !strings.Contains(err.Error(), "this is no regular file") {
		t.Errorf("%v", err)
	}
	if _, _, err := Digest(t.Context(), path); err == nil || !strings.Contains(err.Error(), "this is no regular file") {
		t.Errorf("%v", err)
	}
}
