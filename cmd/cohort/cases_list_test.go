package main

var listCases = []fieldCase{
	{
		name: "01 a list with oddly written numbers", args: "check -c 01-list.yaml 01-cohort-110.csv --json",
		fates: map[string]int{"sendable": 10, "suppressed": 100}, never: []string{`"unreadable": [1-9]`},
	},
	{
		name: "19 a list without a column of numbers", args: "check -c 19-list.yaml 19-test-numbers.csv", exit: 10,
		says: []string{`19-list.csv:1: it is not clear which of the 2 columns holds the NHS numbers; rename that column to nhs_number`},
	},
}
