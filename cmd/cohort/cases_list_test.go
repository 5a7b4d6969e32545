package main

var listCases = []fieldCase{
	{
		name: "01 a list with oddly written numbers", args: "check -c 01-list.yaml 01-cohort-110.csv --json",
		fates: map[string]int{"sendable": 10, "suppressed": 100}, never: []string{`"unreadable": [1-9]`},
	},
}
