package main

import (
	"cohort/engine/refusal"
)

var columnarCases = []fieldCase{
	{
		name: "06 a negative whole number is nobody's", args: "check --json -c plain.yaml 06-negative-int64.parquet", exit: refusal.ExitRefused,
		says: []string{"the NHS number is negative"}, fates: map[string]int{"invalid": 3},
	},
	{
		name: "08 a decimal without a fraction is a number", args: "check --json -c plain.yaml 08-decimal-12-2.parquet",
		fates: map[string]int{"sendable": 3},
	},
	{name: "13 LZ4 of polars", args: "check --json -c plain.yaml 13-lz4-polars.parquet", fates: map[string]int{"sendable": 3}},
	{name: "13 LZ4 of DuckDB", args: "check --json -c plain.yaml 13-lz4-raw-duckdb.parquet", fates: map[string]int{"sendable": 3}},
	{
		name: "15 an instant at midnight in summer is a date", args: "check --json -c 15-dates.yaml 15-bst-midnight-tz.parquet",
		fates: map[string]int{"sendable": 3},
	},
	{
		name: "15 so is one that Spark writes", args: "check --json -c 15-dates.yaml 15-bst-midnight-int96.parquet",
		fates: map[string]int{"sendable": 3},
	},
	{
		name: "15 so is a midnight without a zone", args: "check --json -c 15-dates.yaml 15-naive-midnight.parquet",
		fates: map[string]int{"sendable": 3},
	},
	{
		name: "15 also of polars", args: "check --json -c 15-dates.yaml 15-naive-polars.parquet",
		fates: map[string]int{"sendable": 3},
	},
	{
		name: "15 another time of day is no date", args: "check --json -c 15-utc.yaml 15-bst-midnight-tz.parquet", exit: refusal.ExitRefused,
		says: []string{`the field .*given_name.* is not a date alone, but a date with a time of day`}, fates: map[string]int{"invalid": 3},
	},
	{
		name: "18 a damaged Arrow file", args: "check -c plain.yaml 18-damaged.arrow", exit: refusal.ExitRefused,
		says: []string{`18-damaged.arrow: .*\[cohort_unreadable\]`},
	},
	{
		name: "18 the same as a list", args: "send -c 18-list.yaml --simulate 01-cohort-110.csv", exit: refusal.ExitRefused,
		says: []string{`18-damaged.arrow: .*\[list_unusable\]`},
	},
}
