package main

var valueCases = []fieldCase{
	{
		name: "Markdown in a value of an NHS App message", args: "check -c 11-nhsapp.yaml --json 11-markdown-in-values.csv", exit: 10,
		says: []string{`"code": "message_has_markup",\s+"count": 1,\s+"first_lines": \[\s+2\s+\]`, "1 of 2 records are invalid"}, fates: map[string]int{"sendable": 1, "invalid": 1},
	},
}
