package ingest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/ingest"
	"cohort/ingest/value"
)

// Files as spreadsheets and their users write them.
func TestFilesOfTheField(t *testing.T) {
	const head, rows = "nhs_number,name\n", a + ",Siân\n" + b + ",Bob\n"
	good := []string{"0:2 " + a + "|Siân", "0:3 " + b + "|Bob"}
	later := []string{"0:3 " + a + "|Siân", "0:4 " + b + "|Bob"}
	semicolons := strings.ReplaceAll(head+rows, ",", ";")
	names := ingest.Options{Fields: []string{"name"}}
	of := func(change func(*ingest.Options)) ingest.Options {
		o := names
		change(&o)
		return o
	}
	windows := of(func(o *ingest.Options) { o.Format.Encoding = "windows-1252" })
	sure := of(func(o *ingest.Options) { o.Format.Encoding, o.EncodingChecked = "windows-1252", true })
	required := of(func(o *ingest.Options) { o.Required = []string{"name"} })
	defaults := of(func(o *ingest.Options) { o.Defaults = map[string]string{"name": "you"} })
	withdrawn := of(func(o *ingest.Options) { o.Withdrawn = ingest.Withdrawn{Column: "name", Values: []string{"DEL"}} })
	postcodes := of(func(o *ingest.Options) { o.Types = map[string]value.Type{"name": value.Postcode} })
	for sentence, test := range map[string]struct {
		text string
		o    ingest.Options
		want []string
		note string
		err  string
	}{
		"Excel's first line":                      {"sep=;\r\n" + semicolons, names, later, "Excel's \"sep=;\"", ""},
		"in capitals and quotes, behind a mark":   {"\xef\xbb\xbf\"SEP=;\"\n" + semicolons, names, later, "Excel's", ""},
		"with a delimiter that is not looked for": {"sep=:\n" + strings.ReplaceAll(head+rows, ",", ":"), names, later, "Excel's", ""},
		"with the delimiter that is said":         {"sep=;\n" + semicolons, of(func(o *ingest.Options) { o.Format.Delimiter = ";" }), later, "Excel's", ""},
		"with another":                            {"sep=;\n" + semicolons, of(func(o *ingest.Options) { o.Format.Delimiter = "," }), nil, "", `c.csv:2: there is no column "nhs_number"`},
		"padded":                                  {"sep=;;;\n" + semicolons, names, later, "Excel's \"sep=;\"", ""},
		"in quotes, and padded":                   {"\"sep=;\";\r\n" + semicolons, names, later, "Excel's \"sep=;\"", ""},
		"padded with another":                     {"sep=;,\n" + semicolons, names, nil, "", "not on this line"},
		"before PowerShell's":                     {"sep=,\n#TYPE System.Data.DataRow,\n" + head + rows, names, []string{"0:4 " + a + "|Siân", "0:5 " + b + "|Bob"}, "Excel's \"sep=,\", which names the delimiter, and is left out; the second line is PowerShell's #TYPE line", ""},
		"before another of its kind":              {"sep=;\nsep=;\n" + semicolons, names, nil, "", "not on this line"},
		"with no delimiter":                       {"sep=x\n" + head + rows, names, nil, "", "c.csv:1: the columns are named on line 2, not on this line; remove the lines above line 2 from the file"},
		"no header line behind it": {"sep=;\n" + strings.ReplaceAll(rows, ",", ";"), of(func(o *ingest.Options) {
			o.Format.Header = new(bool)
			o.Columns = map[string][]string{"nhs_number": {"1"}, "name": {"2"}}
		}), good, "Excel's", ""},
		"PowerShell's first line":                  {"#TYPE System.Data.DataRow\r\n" + head + rows, names, later, "PowerShell's #TYPE line", ""},
		"a title":                                  {"Cohort of November,,\n,,\n" + head + rows, names, nil, "", "c.csv:1: the columns are named on line 3, not on this line"},
		"a title before other columns":             {"Cohort of November\nNHS No;name\n" + a + ";Ann\n", names, nil, "", `there is no column "nhs_number"`},
		"UTF-8 that is said to be Windows-1252":    {head + rows, windows, nil, "", "c.csv: the whole file is UTF-8 with letters beyond ASCII, and cohort.format.encoding is windows-1252"},
		"and is, says the campaign":                {head + rows, sure, []string{"0:2 " + a + "|SiÃ¢n", good[1]}, "", ""},
		"ASCII that is said to be Windows-1252":    {head + a + ",Ann\n", windows, []string{"0:2 " + a + "|Ann"}, "", ""},
		"one letter of Windows-1252 at the end":    {head + rows + c + ",Zo\xeb\n", windows, []string{"0:2 " + a + "|SiÃ¢n", good[1], "0:4 " + c + "|Zoë"}, "", ""},
		"half a letter of UTF-8 at the end":        {head + rows + c + ",Zo\xc3", windows, []string{"0:2 " + a + "|SiÃ¢n", good[1], "0:4 " + c + "|ZoÃ"}, "", ""},
		"a required value that nobody can see":     {head + a + ",\u200b\ufeff\u00a0\u3164\n", required, []string{"0:2 empty_required " + a}, "", ""},
		"a default for what nobody can see":        {head + a + ",\u200b\u2060\n", defaults, []string{"0:2 " + a + "|you"}, "", ""},
		"a withdrawal with what nobody can see":    {head + a + ",DEL\u200b\n", withdrawn, []string{"0:2 " + a + "|DEL\u200b withdrawn"}, "", ""},
		"postcodes in fixed width":                 {head + a + ",LS1  4AP\n" + b + ",EC1A1BB\n" + c + ",M1\u00a0 1AA \n", postcodes, []string{"0:2 " + a + "|LS1 4AP", "0:3 " + b + "|EC1A 1BB", "0:4 " + c + "|M1 1AA"}, "", ""},
		"a character lost in a value":              {head + a + ",Si\ufffdn\n" + b + ",Bob\n", names, []string{"0:2 bad_encoding " + a, good[1]}, "", ""},
		"one lost in a column that is not used":    {"nhs_number,name,x\n" + a + ",Ann,Si\ufffdn\n", names, []string{"0:2 " + a + "|Ann"}, "", ""},
		"numbers as text formulas":                 {head + "=\"" + a + "\",=\"Siân\"\n=\"" + b + "\",Bob\n", names, good, "", ""},
		"a superseding number with an apostrophe":  {"nhs_number,name,new\n'" + a + ",Ann,'" + b + "\n" + b + ",Bob,\n", of(func(o *ingest.Options) { o.SupersededBy = "new" }), []string{"0:2 " + b + "|Ann", good[1]}, "", ""},
		"letters beyond ASCII over several chunks": {head + strings.Repeat(a+",Siân\n", 200_000), windows, nil, "", "the whole file is UTF-8"},
	} {
		r, err := ingest.Open(t.Context(), []string{save(t, "c.csv", test.text)}, test.o)
		var got []string
		if err == nil {
			got, err = told(r)
		}
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: %v, and should say %q", sentence, err, test.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v; want %q", sentence, got, err, test.want)
			continue
		}
		if notes := fmt.Sprint(r.Summary().Notes); (test.note == "") != (notes == "[]") || !strings.Contains(notes, test.note) {
			t.Errorf("%s: said %s", sentence, notes)
		}
	}
}

// What stands in a folder beside a cohort is left out when it is known, and what is being
// written refuses the folder.
func TestFoldersOfTheField(t *testing.T) {
	for name, refused := range map[string]bool{
		"b.csv.filepart": true, "b.csv.part": true, "b.csv.PART": true, "b.tmp": true, "~$b.csv": true, "b.csv.crdownload": true, "b.csv~": true, ".~lock.b.csv#": true,
		".b.csv.Xk3jd9": true, ".b.csv.swp": true, "b.csv.bak": true,
		"b.csv.sha256": false, "b.MD5": false, "Thumbs.db": false, "desktop.ini": false, ".DS_Store": false, "SHA256SUMS": false, "_SUCCESS": false, ".hidden": false,
	} {
		dir := t.TempDir()
		paths := []string{filepath.Join(dir, "a.csv"), filepath.Join(dir, name)}
		must(0, os.WriteFile(paths[0], []byte("nhs_number\n"+a+"\n"), 0o600))
		must(0, os.WriteFile(paths[1], []byte("nhs_number\n"+b+"\n"), 0o600))
		hidden := strings.HasPrefix(name, ".")
		for _, given := range [][]string{{dir}, paths} {
			r, err := ingest.Open(t.Context(), given, ingest.Options{})
			switch {
			case refused:
				if err == nil || !strings.Contains(err.Error(), name+": by its name, this file is still being written") {
					t.Errorf("%s: %v", name, err)
				}
			case hidden && len(given) > 1: // it is named
				if err != nil || len(r.Files()) != 2 {
					t.Errorf("%s: %v", name, err)
				}
			case err != nil || len(r.Files()) != 1 || strings.Contains(fmt.Sprint(r.Summary().Notes), name) == hidden:
				t.Errorf("%s: %v, and not left out with a word", name, err)
			}
		}
		if _, err := ingest.Open(t.Context(), paths[1:], ingest.Options{}); err != nil {
			t.Errorf("%s, which alone is named: %v", name, err)
		}
	}
	dir := t.TempDir()
	must(0, os.WriteFile(filepath.Join(dir, "x.sha256"), nil, 0o600))
	if _, err := ingest.Open(t.Context(), []string{dir}, ingest.Options{}); err == nil || !strings.Contains(err.Error(), "the folder holds no files") {
		t.Error(err)
	}
}
