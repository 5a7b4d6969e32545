package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The fixture table: a cohort of each format, encoding, compression and quirk, and what
// cohort check says of it, to the last record.
func TestCheckReadsEveryKindOfFile(t *testing.T) {
	n := Numbers(40)
	head := []string{"nhs_number", "name"}
	rows := six(head...).text
	plain := rows(",")
	const half = "cohort: {max_invalid: 50%}\npersonalisation: {name: \"((name))\"}\n"
	with := func(rules string) string {
		return "cohort: {max_invalid: 50%, " + rules + "}\npersonalisation: {name: \"((name))\"}\n"
	}
	one := func(text string) map[string]string { return map[string]string{"people.csv": text} }
	mark := func(text string) string { return "\ufeff" + text }
	small := func(rows ...[]string) map[string]string {
		return one(sheet(rows).text(","))
	}
	csvOf := func(fates, reasons string, rejects ...string) checked {
		return checked{format: "csv utf-8 , header", fates: fates, reasons: reasons, rejects: rejects}
	}
	refused := func(c checked, why string) checked { c.why = why; return c }
	columnar := sixFound("", 4, 5)
	columnar.samples[2] = `name: "Xxxx\nXxxxx"`
	of := func(c checked, format string) checked { c.format = format; return c }
	number := func(text string) *int64 {
		var v int64
		Must(fmt.Sscan(text, &v))
		return &v
	}
	// 500 to 599 is a range that is not issued either; its numbers are nobody's.
	const outside = "5000000013"
	several := map[string]string{
		"1-north.csv": sheet{head, {n[0], "Ann"}, {wrong(n[1]), "Bo"}}.text(","),
		"2-south.psv": sheet{head, {n[2], "Cy"}, {n[0], "Ann"}}.text("|"),
		"3-west.gz":   gzipOf(sheet{{"name", "nhs_number"}, {"Di", n[3]}, {"Ed", ""}}.text(";")),
		".listing":    "1-north.csv\n",
	}
	severalFound := checked{
		format: "csv utf-8 , header", fates: "3 2 1 0", reasons: "bad_number 2 on 3 3",
		rejects: []string{
			"2,1-north.csv,3,bad_number,the NHS number's check digit is wrong",
			"4,2-south.psv,3,duplicate,an earlier record of the file is the same person",
			"6,3-west.gz,3,bad_number,the NHS number is empty",
		},
		samples: []string{`name: "Xxx"`, `name: "Xx"`, `name: "Xx"`},
	}
	thrice := func(rule string) string {
		return with("duplicates: " + rule)
	}
	changes := small([]string{"nhs_number", "name", "changed"},
		[]string{n[0], "A", "2026-03-01"}, []string{n[0], "B", "2026-11-01"}, []string{n[0], "C", "2026-11-01"}, []string{n[0], "D", "2026-02-01"}, []string{n[0], "E", "in spring"})
	appointments := func(headings string) map[string]string {
		h := strings.Split(headings, "|")
		row := func(action, number, episode, stamp string) map[string]string {
			return map[string]string{"Action": action, h[6]: number, h[7]: episode, "Appt Date": "20270105", "Clinic Name (Let)": "The Foyer, East Wing", "Action Timestamp": stamp}
		}
		return map[string]string{"ABC_20261121091221_APPT_106.dat": extract(headings,
			row("B", parted(n[0], " "), "F", "20261120-101112"),
			row("C", n[0], "F", "20261121-080000"),
			row("B", n[1], "R", "20261120-101112"),
			row("B", wrong(n[2]), "R", "20261120-101112"),
			row("C", n[3], "R", "20261119-101112"), row("B", n[3], "R", "20261120-101112"))}
	}
	const appointed = "cohort: {max_invalid: 50%, columns: {kind: Episode Type, day: Appt Date, clinic: Clinic Name (Let)}, types: {day: date}, duplicates: {latest_by: Action Timestamp}, withdrawn: {column: Action, values: [C]}}\n" +
		"personalisation: {text: \"((kind)) ((day)) ((clinic))\"}\n"
	const latest = "duplicate,\"another record of the file is the same person, and more recent, or as recent and later in the file\""
	const dat = "ABC_20261121091221_APPT_106.dat"
	appointedFound := checked{
		format: "nbss utf-8 | header", fates: "2 1 2 1", reasons: "bad_number 1 on 6",
		rejects: []string{
			"1," + dat + ",3," + latest,
			"2," + dat + ",4,withdrawn,the record says that the person is not to be invited",
			"4," + dat + ",6,bad_number,the NHS number's check digit is wrong",
			"5," + dat + ",7," + latest,
		},
		samples: []string{`text: "X 00000000 Xxx Xxxxx, Xxxx Xxxx"`, `text: "X 00000000 Xxx Xxxxx, Xxxx Xxxx"`},
	}
	born, whole := int32(-5000), "cohort: {max_invalid: 50%, withdrawn: {column: record_type, values: [DEL]}, duplicates: {latest_by: change_time_stamp}, types: {date_of_birth: date}}\npersonalisation: {name: \"((given_name)) ((date_of_birth))\"}\n"

	for sentence, row := range map[string]struct {
		campaign string
		files    map[string]string
		args     []string // what is named on the command line; empty: every file, by name
		want     checked
	}{
		// Rows of text.
		"commas are told by content":               {half, one(plain), nil, sixFound("csv utf-8 , header", 6, 7)},
		"tabs are told by content":                 {half, one(rows("\t")), nil, sixFound("csv utf-8 \t header", 6, 7)},
		"pipes are told by content":                {half, one(rows("|")), nil, sixFound("csv utf-8 | header", 6, 7)},
		"semicolons are told by content":           {half, one(rows(";")), nil, sixFound("csv utf-8 ; header", 6, 7)},
		"a type of tsv is said":                    {with("format: {type: tsv}"), one(rows("\t")), nil, sixFound("csv utf-8 \t header", 6, 7)},
		"a delimiter that nobody would guess":      {with(`format: {delimiter: ":"}`), one(rows(":")), nil, sixFound("csv utf-8 : header", 6, 7)},
		"without a header columns are positions":   {with(`format: {header: false}, columns: {nhs_number: "1", name: "2"}`), one(six().text(",")), nil, sixFound("csv utf-8 , positions", 5, 6)},
		"the lines end as those of Windows do":     {half, one(crlf(plain)), nil, sixFound("csv utf-8 , header", 6, 7)},
		"every other line ends so":                 {half, one(mixed(plain)), nil, sixFound("csv utf-8 , header", 6, 7)},
		"the last line has no end":                 {half, one(strings.TrimSuffix(plain, "\n")), nil, sixFound("csv utf-8 , header", 6, 7)},
		"UTF-8 with a byte order mark":             {half, one(mark(plain)), nil, sixFound("csv utf-8 , header", 6, 7)},
		"UTF-16, the small end first":              {half, one(utf16Of(mark(plain), binary.LittleEndian)), nil, sixFound("csv utf-16le , header", 6, 7)},
		"UTF-16, the big end first":                {half, one(utf16Of(mark(plain), binary.BigEndian)), nil, sixFound("csv utf-16be , header", 6, 7)},
		"UTF-16 that is said, with its mark":       {with("format: {encoding: utf-16}"), one(utf16Of(mark(plain), binary.BigEndian)), nil, sixFound("csv utf-16be , header", 6, 7)},
		"UTF-16 that is said, for want of a mark":  {with("format: {encoding: utf-16le}"), one(utf16Of(plain, binary.LittleEndian)), nil, sixFound("csv utf-16le , header", 6, 7)},
		"UTF-16 with tabs and the ends of Windows": {half, one(utf16Of(mark(crlf(rows("\t"))), binary.LittleEndian)), nil, sixFound("csv utf-16le \t header", 6, 7)},
		"Windows-1252 that is said":                {with("format: {encoding: windows-1252}"), one(windows1252(plain)), nil, sixFound("csv windows-1252 , header", 6, 7)},
		"Windows-1252 is never guessed": {with("duplicates: last"), one(windows1252(plain)), nil, refused(checked{
			format: "csv utf-8 , header", fates: "1 5 0 0", reasons: "bad_encoding 4 on 2 3 7 8; bad_number 1 on 6",
			rejects: []string{
				"1,people.csv,2,bad_encoding,the record holds bytes that are not UTF-8",
				"2,people.csv,3,bad_encoding,the record holds bytes that are not UTF-8",
				"4,people.csv,6,bad_number,the NHS number's check digit is wrong",
				"5,people.csv,7,bad_encoding,the record holds bytes that are not UTF-8",
				"6,people.csv,8,bad_encoding,the record holds bytes that are not UTF-8",
			}, samples: []string{`name: "Xxxx\nXxxxx"`},
		}, "set cohort.format.encoding: windows-1252")},
		"a heading by another name": {with(`columns: {nhs_number: ["NHS No", "NHS Number"], name: [Forename, "First Name"]}`),
			one(six("NHS Number", "First Name").text(",")), nil, sixFound("csv utf-8 , header", 6, 7)},

		// The upload file of NHS Notify and the extracts of the breast screening system.
		"the upload file of NHS Notify needs no mapping": {"cohort: {max_invalid: 50%}\n", small(
			[]string{"messageReference", "nhsNumber", "personalisation_name", "personalisation_day"},
			[]string{"r-1", n[0], "O'Neill, Zoë", "Monday"}, []string{"r-2", wrong(n[1]), "Bo", "Monday"}, []string{"r-3", parted(n[0], " "), "Zoë", "Tuesday"}), nil, checked{
			format: "mesh utf-8 , header", fates: "1 1 1 0", reasons: "bad_number 1 on 3",
			rejects: []string{
				"2,people.csv,3,bad_number,the NHS number's check digit is wrong",
				"3,people.csv,4,duplicate,an earlier record of the file is the same person",
			},
			samples: []string{`day: "Xxxxxx", name: "X'Xxxxx, Xxx"`},
		}},
		"an upload file that is said to be one": {"cohort: {format: {type: mesh}}\n", small(
			[]string{"messageReference", "nhsNumber", "personalisation_name"}, []string{"r-1", n[0], "Zoë"}), nil,
			checked{format: "mesh utf-8 , header", fates: "1 0 0 0", samples: []string{`name: "Xxx"`}}},
		"a mapping goes before what the upload file brings": {"personalisation: {greeting: \"Dear ((name))\"}\n", small(
			[]string{"messageReference", "nhsNumber", "personalisation_name"}, []string{"r-1", n[0], "Zoë"}), nil,
			checked{format: "mesh utf-8 , header", fates: "1 0 0 0", samples: []string{`greeting: "Dear Xxx"`}}},
		"an extract of the breast screening system":     {appointed, appointments(headings), nil, appointedFound},
		"the same with the headings of another edition": {appointed, appointments(otherHeadings), nil, appointedFound},
		"an extract that is said to be one":             {strings.Replace(appointed, "{max", "{format: {type: nbss}, max", 1), appointments(headings), nil, appointedFound},

		// Columns.
		"Parquet of the cohort service, with whole numbers": {whole, map[string]string{"caas.parquet": parquetOf(
			caas{"ADD", number(n[0]), "Zoë", &born, 1_700_000_000_000}, caas{"ADD", number(n[1]), "Bo", nil, 1_700_000_000_000},
			caas{"DEL", number(n[0]), "Zoë", &born, 1_800_000_000_000}, caas{"ADD", nil, "Cy", nil, 1_700_000_000_000}, caas{"DEL", number(n[1]), "Bo", nil, 1_600_000_000_000})}, nil, checked{
			format: "parquet  header", fates: "1 1 2 1", reasons: "bad_number 1 on 4",
			rejects: []string{
				"1,caas.parquet,1," + latest,
				"3,caas.parquet,3,withdrawn,the record says that the person is not to be invited",
				"4,caas.parquet,4,bad_number,the NHS number is empty",
				"5,caas.parquet,5," + latest,
			},
			samples: []string{`name: "Xx "`},
		}},
		"Parquet with numbers as text": {strings.Replace(half, "((name))", "((given_name))", 1), one(parquetOf(func() (all []caasText) {
			for _, r := range six() {
				all = append(all, caasText{"ADD", r[0], r[1]})
			}
			return all
		}()...)), nil, of(columnar, "parquet  header")},
		"an Arrow file":          {half, one(arrowOf(six(head...), false)), nil, of(columnar, "arrow  header")},
		"an Arrow stream":        {half, one(arrowOf(six(head...), true)), nil, of(columnar, "arrow  header")},
		"an Arrow file, as said": {with("format: {type: arrow}"), one(arrowOf(six(head...), false)), nil, of(columnar, "arrow  header")},

		// What is around them.
		"gzip":                    {half, one(gzipOf(plain)), nil, sixFound("csv utf-8 , header", 6, 7)},
		"gzip in two parts":       {half, one(gzipOf(plain[:40]) + gzipOf(plain[40:])), nil, sixFound("csv utf-8 , header", 6, 7)},
		"zstd":                    {half, one(zstdOf(plain)), nil, sixFound("csv utf-8 , header", 6, 7)},
		"zstd of UTF-16":          {half, one(zstdOf(utf16Of(mark(plain), binary.LittleEndian))), nil, sixFound("csv utf-16le , header", 6, 7)},
		"a zip of one file":       {half, one(zipOf("people.txt", plain)), nil, sixFound("csv utf-8 , header", 6, 7)},
		"an Arrow stream in zstd": {half, one(zstdOf(arrowOf(six(head...), true))), nil, of(columnar, "arrow  header")},
		"several files, as named": {half, several, []string{"1-north.csv", "2-south.psv", "3-west.gz"}, severalFound},
		"a folder, by its names":  {half, several, []string{"."}, severalFound},
		"another order is another cohort": {half, several, []string{"3-west.gz", "2-south.psv", "1-north.csv"}, checked{
			format: "csv utf-8 ; header", fates: "3 2 1 0", reasons: "bad_number 2 on 3 3",
			rejects: []string{
				"2,3-west.gz,3,bad_number,the NHS number is empty",
				"5,1-north.csv,2,duplicate,an earlier record of the file is the same person",
				"6,1-north.csv,3,bad_number,the NHS number's check digit is wrong",
			},
		}},

		// The rules.
		"of several records the first counts": {thrice("first"), changes, nil, csvOf("1 0 4 0", "",
			"2,people.csv,3,duplicate,an earlier record of the file is the same person", "3,people.csv,4,duplicate,an earlier record of the file is the same person",
			"4,people.csv,5,duplicate,an earlier record of the file is the same person", "5,people.csv,6,duplicate,an earlier record of the file is the same person")},
		"of several records the last counts": {thrice("last"), changes, nil, csvOf("1 0 4 0", "",
			"1,people.csv,2,duplicate,a later record of the file is the same person", "2,people.csv,3,duplicate,a later record of the file is the same person",
			"3,people.csv,4,duplicate,a later record of the file is the same person", "4,people.csv,5,duplicate,a later record of the file is the same person")},
		"of several records the latest counts, of two such the later": {thrice("{latest_by: changed}"), changes, nil, csvOf("1 1 3 0", "bad_type 1 on 6",
			"1,people.csv,2,"+latest, "2,people.csv,3,"+latest, "4,people.csv,5,"+latest,
			`5,people.csv,6,bad_type,"the field ""changed"" is not a whole number, or not a date or time, as the records before it have it"`)},
		"an invalid record does not stand for its person": {with("required: [name], duplicates: last"), small(head, []string{n[0], "Ann"}, []string{n[0], " "}), nil, csvOf("1 1 0 0", "empty_required 1 on 3",
			`2,people.csv,3,empty_required,"the required field ""name"" is empty"`)},
		"who is withdrawn in the record that counts is not invited": {with("withdrawn: {column: what, values: [DEL, GONE]}"), small([]string{"nhs_number", "name", "what"},
			[]string{n[0], "Ann", "DEL"}, []string{n[0], "Ann", "ADD"}, []string{n[1], "Bo", "ADD"}, []string{n[1], "Bo", "DEL"}, []string{n[2], "Cy", " GONE "}, []string{n[3], "Di", "del"}), nil, csvOf("2 0 2 2", "",
			"1,people.csv,2,withdrawn,the record says that the person is not to be invited", "2,people.csv,3,duplicate,an earlier record of the file is the same person",
			"4,people.csv,5,duplicate,an earlier record of the file is the same person", "5,people.csv,6,withdrawn,the record says that the person is not to be invited")},
		"values that are not of their type": {with("types: {day: date, time: time, postcode: postcode, phone: uk_mobile}"), small([]string{"nhs_number", "name", "day", "time", "postcode", "phone"},
			[]string{n[0], "Ann", "2027-01-31", "09:30", "ZZ1 1ZZ", "07700 900123"}, []string{n[1], "Bo", "", "", "", ""},
			[]string{n[2], "Cy", "31/01/2027", "0930", "ZZ11ZZ", "+447700900123"}, []string{n[3], "Di", "2027-02-30", "09:30", "ZZ1 1ZZ", "07700900123"},
			[]string{n[4], "Ed", "20270131", "24:00", "ZZ1 1ZZ", "07700900123"}, []string{n[5], "Flo", "20270131", "23:59:59", "Z 1ZZ", "07700900123"},
			[]string{n[6], "Gus", "20270131", "00:00", "ZZ1 1ZZ", "020 7946 0000"}, []string{n[7], "Hal", "20270131", "00:00", "ZZ1 1ZZ", ""}), nil, csvOf("4 4 0 0", "bad_type 4 on 5 6 7 8",
			`4,people.csv,5,bad_type,"the field ""day"" is not a date"`, `5,people.csv,6,bad_type,"the field ""time"" is not a time"`,
			`6,people.csv,7,bad_type,"the field ""postcode"" is not a postcode"`, `7,people.csv,8,bad_type,"the field ""phone"" is not a UK mobile number"`)},
		"records of another width": {half, one("nhs_number,name\n" + n[0] + ",Ann\n" + n[1] + "\n" + n[2] + ",Cy,extra\n\n" + n[3] + ",Di\n"), nil, csvOf("2 2 0 0", "wrong_columns 2 on 3 4",
			`2,people.csv,3,wrong_columns,1 value where the header has 2`, `3,people.csv,4,wrong_columns,3 values where the header has 2`)},
		"a profile of test takes test patients": {"profile: test\n" + half, small(head, []string{n[0], "Ann"}), nil, csvOf("1 0 0 0", "")},
		"a profile of test takes nobody else": {"profile: test\n" + half, small(head, []string{n[0], "Ann"}, []string{outside, "Bo"}), nil, csvOf("1 1 0 0", "test_number 1 on 3",
			`2,people.csv,3,test_number,"the NHS number is not a test patient's, and the campaign's profile is test"`)},
		"a profile of production takes no test patients": {"profile: production\n" + half, small(head, []string{n[0], "Ann"}, []string{outside, "Bo"}), nil, csvOf("1 1 0 0", "test_number 1 on 2",
			`1,people.csv,2,test_number,"the NHS number is a test patient's, and the campaign's profile is production"`)},
		"without a profile both go": {half, small(head, []string{n[0], "Ann"}, []string{outside, "Bo"}), nil, csvOf("2 0 0 0", "")},
		"too many invalid records refuse the file, with the reasons ranked": {"cohort: {required: [name], max_invalid: 5%}\n", small(head,
			[]string{n[0], ""}, []string{n[1], "Bo"}, []string{"", "Cy"}, []string{wrong(n[2]), "Di"}, []string{n[3], " "}, []string{"999", "Ed"}, []string{"none", "Flo"}, []string{n[4], ""}), nil,
			refused(csvOf("1 7 0 0", "bad_number 4 on 4 5 7 8; empty_required 3 on 2 6 9",
				`1,people.csv,2,empty_required,"the required field ""name"" is empty"`, "3,people.csv,4,bad_number,the NHS number is empty", "4,people.csv,5,bad_number,the NHS number's check digit is wrong",
				`5,people.csv,6,empty_required,"the required field ""name"" is empty"`, "6,people.csv,7,bad_number,the NHS number does not have ten digits",
				`7,people.csv,8,bad_number,"the NHS number holds something other than digits, spaces and hyphens"`,
				`8,people.csv,9,empty_required,"the required field ""name"" is empty"`),
				`7 of 8 records are invalid, more than cohort.max_invalid allows (5 %): the required field "name" is empty (3, first on line 2)`)},
		"as many invalid records as are allowed do not": {"cohort: {max_invalid: 25%}\n", small(head, []string{n[0], "A"}, []string{n[1], "B"}, []string{n[2], "C"}, []string{"", "D"}), nil,
			csvOf("3 1 0 0", "bad_number 1 on 5", "4,people.csv,5,bad_number,the NHS number is empty")},
	} {
		t.Run(sentence, func(t *testing.T) {
			dir := lay(t, row.files)
			if row.args == nil {
				row.args = slices.Sorted(maps.Keys(row.files))
			}
			checks(t, dir, row.campaign, row.args, row.want)
		})
	}
}
