package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/engine/refusal"
)

// people are a hundred records, the name of each in quotes.
func people(header string) []string {
	lines := []string{header + "\n"}
	for i, n := range Numbers(100) {
		lines = append(lines, fmt.Sprintf("%s,\"O'Neill, %d\"\n", n, i))
	}
	return lines
}

// Files that are damaged on the way, or are not what they are said to be: each is refused
// with the file, the line and what to do, and nothing of it is sent; or the record alone
// is invalid, and all others are sent.
func TestDamagedFilesAreRefusedOrCountedAndNothingIsLost(t *testing.T) {
	const head = "nhs_number,name"
	whole := strings.Join(people(head), "")
	// line replaces one line, the header being 1.
	line := func(n int, text string) string {
		lines := people(head)
		lines[n-1] = text
		return strings.Join(lines, "")
	}
	unclosed := func(n int) string {
		lines := people(head)
		lines[n-1] = lines[n-1][:10] + ",\"O'Neill\n"
		return strings.Join(lines, "")
	}
	most := func(text string) string { return text[:len(text)*9/10] }
	var rows []caasText
	for _, n := range Numbers(100) {
		rows = append(rows, caasText{"ADD", n, "Zoë"})
	}
	mesh := "messageReference,nhsNumber,personalisation_name\n"
	for i, n := range Numbers(100) {
		if i == 50 {
			mesh += "messageReference,nhsNumber,personalisation_name\n"
		}
		mesh += fmt.Sprintf("r-%d,%s,Ann\n", i, n)
	}
	var appointments []map[string]string
	for _, n := range Numbers(100) {
		appointments = append(appointments, map[string]string{"NHS Num": n})
	}
	dat := extract(headings, appointments...)
	datLines := strings.SplitAfter(dat, "\r\n")
	const again = "; ask the sender for the file again"
	const double = "put the value in quotes and double every quote inside it"
	for sentence, test := range map[string]struct {
		rules, file string
		refused     string // what is said of it; empty when it is sent
		invalid     string // else, of the records that are not: count, code and line
	}{
		"a quote never closed in the first record":  {"", unclosed(2), "people.csv:3: there is text after a closing quote (the quote was opened on line 2); " + double, ""},
		"a quote never closed in a middle record":   {"", unclosed(50), "people.csv:51: there is text after a closing quote (the quote was opened on line 50); " + double, ""},
		"a quote never closed in the last record":   {"", unclosed(101), "people.csv:101: a quote is opened and never closed; close it, or " + double, ""},
		"and no other quote behind it":              {"", strings.ReplaceAll(whole[:len(whole)/2], `"`, "") + "\n" + Numbers(1)[0] + ",\"Ann\n" + Numbers(1)[0] + ",Bo\n", "a quote is opened and never closed; close it, or " + double, ""},
		"nor for a mebibyte":                        {"", "nhs_number,name\n" + Numbers(1)[0] + ",\"Ann\n" + strings.Repeat(Numbers(1)[0]+",Bo\n", 90_000), "people.csv:2: a quote is opened and not closed within 1 MiB; close it, or " + double, ""},
		"gzip cut short":                            {"", most(gzipOf(whole)), "people.csv: the gzip file is cut short" + again, ""},
		"gzip that lacks its last byte":             {"", strings.TrimSuffix(gzipOf(whole), gzipOf(whole)[len(gzipOf(whole))-1:]), "people.csv: the gzip file is cut short" + again, ""},
		"zstd cut short":                            {"", most(zstdOf(whole)), "people.csv: the zstd file is cut short" + again, ""},
		"a zip cut short":                           {"", most(zipOf("people.csv", whole)), "people.csv: the zip file is cut short or damaged" + again, ""},
		"Parquet cut short":                         {"", most(parquetOf(rows...)), "people.csv: the Parquet file is cut short or damaged, in its footer" + again, ""},
		"an Arrow stream cut short":                 {"", most(arrowOf(six("nhs_number", "name"), true)), "people.csv: the Arrow stream file is cut short or damaged, in record batch 2" + again, ""},
		"an extract without its end":                {"", strings.TrimSuffix(dat, datLines[102]), "people.csv: the file is cut short: there is no NBSSAPPT_END record" + again, ""},
		"an extract that lacks a record":            {"", strings.Replace(dat, datLines[50], "", 1), "people.csv:102: the header promises 100 records and the file holds 99" + again, ""},
		"the headings again inside an extract":      {"", strings.Replace(dat, datLines[50], datLines[1]+datLines[50], 1), "people.csv:51: there is a record that is neither NBSSAPPT_DATA nor NBSSAPPT_END" + again, ""},
		"UTF-16 where the campaign says utf-8":      {"format: {encoding: utf-8}", utf16Of("\ufeff"+whole, binary.LittleEndian), "people.csv: the file begins with the mark of utf-16le, and cohort.format.encoding is utf-8; correct the campaign, or save the file in that encoding", ""},
		"the same without its mark":                 {"format: {encoding: utf-8}", utf16Of(whole, binary.LittleEndian), "people.csv: this looks like a UTF-16 text file; set cohort.format.encoding: utf-16le (or utf-16be), or save it as UTF-8", ""},
		"UTF-8 where the campaign says utf-16":      {"format: {encoding: utf-16}", whole, "people.csv: the file has no byte order mark, and cohort.format.encoding is utf-16; set it to utf-16le or utf-16be", ""},
		"UTF-8 where the campaign says which":       {"format: {encoding: utf-16be}", whole, "people.csv: the content is not UTF-16, and cohort.format.encoding is utf-16be; correct the campaign, or ask the sender for the right file", ""},
		"UTF-16 with one byte lost":                 {"", utf16Of("\ufeff"+whole, binary.LittleEndian)[:2001] + utf16Of("\ufeff"+whole, binary.LittleEndian)[2002:], "people.csv: the file ends in the middle of a UTF-16 character" + again, ""},
		"lines that end in a carriage return alone": {"", strings.ReplaceAll(whole, "\n", "\r"), "people.csv:1: the lines end in a carriage return alone; save the file with LF or CRLF line ends", ""},
		"the same behind a good header":             {"", head + "\n" + strings.Repeat(strings.ReplaceAll(whole[len(head)+1:], "\n", "\r"), 500), "people.csv:2: ", ""},
		"a NUL in the middle":                       {"", line(50, Numbers(49)[48]+",\"O'\x00Neill\"\n"), "", "1 bad_encoding on 50"},
		"a NUL in a number":                         {"", line(50, Numbers(49)[48][:5]+"\x00"+Numbers(49)[48][5:]+",Ann\n"), "", "1 bad_encoding on 50"},
		"the header in the middle":                  {"", line(50, head+"\n"), "", "1 bad_number on 50"},
		"the header of an upload file":              {"", mesh, "", "1 bad_number on 52"},
		"half a line":                               {"", line(50, Numbers(49)[48]+"\n"), "", "1 wrong_columns on 50"},
		"two lines in one":                          {"", strings.Replace(whole, "O'Neill, 48\"\n", "O'Neill, 48\"", 1), "people.csv:50: there is text after a closing quote; " + double, ""},
		"a carriage return alone in a value":        {"", line(50, Numbers(49)[48]+",A\rB\n"), "", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			dir := lay(t, map[string]string{"people.csv": test.file, "campaign.yaml": campaignOf("cohort: {" + test.rules + "}\n")})
			path, campaign, folder := filepath.Join(dir, "people.csv"), filepath.Join(dir, "campaign.yaml"), filepath.Join(dir, "run")
			call := func(args ...string) (int, string, string) {
				var stdout, stderr bytes.Buffer
				code := execute(args, &stdout, &stderr)
				return code, stdout.String(), strings.TrimSuffix(stderr.String(), "\n")
			}
			code, found, said := call("check", "-c", campaign, path)
			sent, account, logged := call("send", "-c", campaign, path, "--run", folder, "--simulate")
			if test.refused != "" {
				if code != refusal.ExitRefused || !strings.Contains(said, "the cohort cannot be read: ") || !strings.Contains(said, test.refused) {
					t.Errorf("check: exit %d, %s\nwant %s", code, said, test.refused)
				}
				if sent != refusal.ExitRefused || !strings.Contains(logged, test.refused) {
					t.Errorf("send: exit %d, %s", sent, logged)
				}
				if left, err := os.ReadDir(folder); err == nil {
					t.Errorf("a file that is refused leaves a folder of %d files", len(left))
				}
				return
			}
			if code != refusal.ExitDone || sent != refusal.ExitDone {
				t.Fatalf("check exits with %d and send with %d\n%s\n%s", code, sent, said, logged)
			}
			records, invalid := 100, 0
			if strings.HasPrefix(test.file, "message") {
				records++
			}
			if test.invalid != "" {
				invalid = 1
				count, rest, _ := strings.Cut(test.invalid, " ")
				code, at, _ := strings.Cut(rest, " on ")
				if !strings.Contains(found, "\n  "+count+" "+code+": ") || !strings.Contains(found, "; first on lines "+at+"\n") {
					t.Errorf("check finds\n%s", found)
				}
				rejects := string(Must(os.ReadFile(filepath.Join(folder, "rejects.csv"))))
				if !strings.Contains(rejects, ",people.csv,"+at+","+code+",") || strings.Count(rejects, "\n") != 2 {
					t.Errorf("the rejects are %s", rejects)
				}
			}
			for _, want := range []string{
				fmt.Sprintf("%-12s %10d\n", "accepted", records-invalid), fmt.Sprintf("%-12s %10d\n", "invalid", invalid),
				fmt.Sprintf("the fates add up to %d: every record is accounted for", records),
			} {
				if !strings.Contains(account, want) {
					t.Errorf("the account lacks %q:\n%s", want, account)
				}
			}
		})
	}
}
