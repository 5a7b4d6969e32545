package output

import (
	"os"
	"path/filepath"
	"testing"

	"cohort/engine/refusal"
)

// No output goes where cohort keeps its own files, also not by force, by a link or under a new name.
func TestNoOutputAmongOurFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	const run, other = "runs/a-1", "runs/b-2"
	for _, name := range []string{
		run + "/run.json", run + "/plan.json", run + "/report.parquet", run + "/log/0000000000000001.log", other + "/run.json", other + "/plan.json",
		other + "/report.parquet", "runs/.callbacks/lock", "runs/.callbacks/0000001796000000/0000000000000001.log", "half/plan.json",
		"plan.json", "own/register.jsonl", "reports/old.csv",
	} {
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, []byte("ours\n"), 0o600))
	}
	must(t, os.Symlink("../runs/.callbacks/lock", "reports/link"))
	must(t, os.Symlink("../runs/.callbacks", "reports/folder"))
	for path, ours := range map[string]bool{
		"runs/.callbacks/lock": true, "runs/.callbacks/0000001796000000/0000000000000001.log": true, "runs/.callbacks/new.csv": true,
		other + "/report.parquet": true, other + "/new.csv": true, other + "/log.csv": true, run + "/log/new.csv": true, run + "/new.csv": true,
		run + "/plan.json": true, "half/x.csv": true, "x.csv": true, "own/x.csv": true, "reports/link": true, "reports/folder/x.csv": true,
		run + "/report.parquet": false, run + "/report-refused.csv": false, run + "/summary.html": false, run + "/unreached.csv": false,
		"reports/old.csv": false, "reports/new.csv": false, "runs/new.csv": false, "/dev/null": false, "/dev/stdout": false,
	} {
		if err := Claim(path, true, "", run); ours != (refusal.Code(err) == "output_among_ours") || !ours && err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := Claim(run+"/report.parquet", true, "", ""); refusal.Code(err) != "output_among_ours" {
		t.Errorf("another command: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
