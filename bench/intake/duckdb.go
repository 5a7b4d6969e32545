package intake

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// duckDB asks the duckdb program, which takes as many threads as this process has cores.
// Its start is part of the time.
func duckDB(ctx context.Context, t Task) (Counts, error) {
	program, err := exec.LookPath("duckdb")
	if err != nil {
		return nil, &absence{"not installed: there is no duckdb on the PATH"}
	}
	c := exec.CommandContext(ctx, program, "-init", os.DevNull, "-batch", "-csv", "-noheader", "-c", question(t.File, runtime.GOMAXPROCS(0)))
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("duckdb: %w: %s", err, said.String())
	}
	var records, valid, people int64
	if _, err := fmt.Sscanf(strings.TrimSpace(string(out)), "%d,%d,%d", &records, &valid, &people); err != nil {
		return nil, fmt.Errorf("duckdb answered %q: %w", out, err)
	}
	return Counts{countRecords: records, countValid: valid, countPeople: people}, nil
}

// question is the SQL: the number without its spaces, weighted 10 to 1 and summed modulo
// 11, and not one digit ten times. That a sign or an exponent would pass for a digit is in
// DuckDB's favour; the file has neither.
func question(file string, threads int) string {
	var sum []string
	divisor := int64(1)
	for weight := 1; weight <= 10; weight++ {
		sum = append(sum, fmt.Sprintf("n // %d %% 10 * %d", divisor, weight))
		divisor *= 10
	}
	return fmt.Sprintf(`SET threads TO %d;
SELECT count(*), count(*) FILTER (WHERE valid), count(DISTINCT n) FILTER (WHERE valid) FROM (
	SELECT n, coalesce(ten AND n >= 0 AND (%s) %% 11 = 0 AND n %% 1111111111 <> 0, false) AS valid FROM (
		SELECT TRY_CAST(text AS BIGINT) AS n, length(text) = 10 AS ten FROM (
			SELECT replace(%s, ' ', '') AS text
			FROM read_csv('%s', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"'))));`,
		threads, strings.Join(sum, " + "), numberColumn, strings.ReplaceAll(file, "'", "''"))
}

// duckDBVersion is what the duckdb program calls itself; empty where there is none.
func duckDBVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "duckdb", "-version").Output()
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first
}
