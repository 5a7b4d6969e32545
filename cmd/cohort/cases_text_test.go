package main

var textCases = []fieldCase{
	{
		name: "02 two stray quotes", args: "check -c plain.yaml 02-quote-swallows-two-people.csv", exit: 10,
		says:  []string{`02-quote-swallows-two-people.csv:3: this line would be a record by itself, and stands inside quotes of the record that starts on line 2`},
		never: []string{`999100`},
	},
	{
		name: "06 a negative number", args: "check -c plain.yaml 06-negative-number.csv", exit: 10,
		says: []string{`the NHS number is negative \(1, first on line 2\)`},
	},
	{
		name: "08 numbers with a fraction", args: "check -c plain.yaml 08-nhs-number-floats.csv --json",
		fates: map[string]int{"sendable": 2},
	},
	{
		name: "08 numbers as text formulas", args: "check -c plain.yaml 08-nhs-number-excel-text-formula.csv --json",
		fates: map[string]int{"sendable": 2},
	},
}
