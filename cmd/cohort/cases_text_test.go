package main

var textCases = []fieldCase{
	{
		name: "02 two stray quotes", args: "check -c plain.yaml 02-quote-swallows-two-people.csv", exit: 10,
		says:  []string{`02-quote-swallows-two-people.csv:3: .* line 2.*\[cohort_unreadable\]`},
		never: []string{`999100`},
	},
	{
		name: "03 postcodes in fixed width", args: "check -c 03-letters.yaml 03-postcodes-pc7-pc8.csv --json",
		fates: map[string]int{"sendable": 7},
	},
	{
		name: "04 UTF-8 that is said to be Windows-1252", args: "check -c 04-win1252.yaml 04-utf8-file-said-windows-1252.csv", exit: 10,
		says: []string{`04-utf8-file-said-windows-1252.csv: .* cohort.encoding_checked: true.*\[cohort_unreadable\]`},
	},
	{
		name: "05 Excel's sep=", args: "check -c plain.yaml 05-sep-line.csv --json",
		says:  []string{`05-sep-line.csv: the first line is Excel's .*sep=;`, `"delimiter": ";"`},
		fates: map[string]int{"sendable": 1},
	},
	{
		name: "05 PowerShell's #TYPE", args: "check -c plain.yaml 05-powershell-type-line.csv --json",
		says:  []string{`05-powershell-type-line.csv: the first line is PowerShell's #TYPE line`},
		fates: map[string]int{"sendable": 1},
	},
	{
		name: "06 a negative number", args: "check -c plain.yaml 06-negative-number.csv", exit: 10,
		says: []string{`the NHS number is negative \(1, .*line 2\).*\[send_would_be_refused\]`},
	},
	{
		name: "07 trailing rows of commas", args: "check -c plain.yaml 07-trailing-comma-rows.csv --json",
		says:  []string{`lines of delimiters alone, which are no records" lines=4`},
		fates: map[string]int{"sendable": 40},
	},
	{
		name: "08 numbers with a fraction", args: "check -c plain.yaml 08-nhs-number-floats.csv --json",
		fates: map[string]int{"sendable": 2},
	},
	{
		name: "08 numbers as text formulas", args: "check -c plain.yaml 08-nhs-number-excel-text-formula.csv --json",
		fates: map[string]int{"sendable": 2},
	},
	{
		name: "12 a folder with an upload under way", args: "check -c plain.yaml 12-folder-with-upload-under-way", exit: 10,
		says: []string{`b.csv.filepart: .*`},
	},
	{
		name: "19 JSON", args: "check -c plain.yaml 19-people.json", exit: 10,
		says: []string{`19-people.json: this is a JSON file; export the cohort as CSV`}, never: []string{`9990000018`},
	},
	{
		name: "19 a log-in page", args: "check -c plain.yaml 19-log-in.html", exit: 10,
		says: []string{`19-log-in.html: this is an HTML page, not a cohort; download the file again`},
	},
	{
		name: "19 a title line", args: "check -c plain.yaml 19-title.csv", exit: 10,
		says: []string{`19-title.csv:1: the columns are named on line 2, not on this line; remove the lines above line 2`},
	},
	{
		name: "19 a column of another name", args: "check -c plain.yaml 19-other-name.csv", exit: 10,
		says: []string{`there is no column "nhs_number", but there is "NHS Number"; add to the campaign, under cohort: columns: \{nhs_number: "NHS Number"\}`},
	},
	{
		name: "19 only test numbers in production", args: "check -c 19-production.yaml 19-test-numbers.csv", exit: 10,
		says:  []string{`2 of 2 records are invalid, .* make sure that this is the right file, and that the campaign has the right profile`},
		never: []string{`raise max_invalid`},
	},
}
