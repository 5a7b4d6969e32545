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
		says: []string{`b.csv.filepart: .*\[cohort_unreadable\]`},
	},
}
