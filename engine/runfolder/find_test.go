package runfolder

import (
	"os"
	"path/filepath"
	"testing"

	"cohort/engine/refusal"
)

// A command acts on a run only when its folder or id is the only one that is meant.
func TestARunIsFoundByFolderOrByTheStartOfItsID(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Find("1a2b3c4d"); refusal.Code(err) != "not_a_run" {
		t.Errorf("without any run: %v", err)
	}
	write("runs/a-1a2b3c4d/run.json", `{"run_id": "1a2b3c4d55"}`)
	write("runs/b-1a2b9999/run.json", `{"run_id": "1a2b999955"}`)
	write("runs/broken-77777777/run.json", `{"run_id": `)
	write("elsewhere/run.json", `{"run_id": "0123456789"}`)
	write("1a2b9/no-run", "")
	write("a-file", "")
	for name, want := range map[string]string{
		"runs/a-1a2b3c4d": "runs/a-1a2b3c4d", "runs/a-1a2b3c4d/": "runs/a-1a2b3c4d", "elsewhere": "elsewhere",
		"1a2b3": "runs/a-1a2b3c4d", "1A2B3C4D": "runs/a-1a2b3c4d", "1a2b3c4d55": "runs/a-1a2b3c4d", "1a2b99": "runs/b-1a2b9999",
	} {
		got, call, err := Find(name)
		if err != nil || got != filepath.Join(dir, want) || call.RunID == "" {
			t.Errorf("%s: %s, %+v, %v", name, got, call, err)
		}
	}
	for name, want := range map[string]string{
		"1a2b": "run_id_ambiguous", "1a2": "not_a_run_but", "0123456789": "not_a_run_but", "1a2b3c4d556": "not_a_run_but",
		"": "not_a_run_but", "7777": "not_a_run_but", "a-file": "file_not_folder", "1a2b9": "not_a_run_but", "runs/broken-77777777": "run_file_unreadable",
	} {
		if _, _, err := Find(name); refusal.Code(err) != want {
			t.Errorf("%q: %v, not %s", name, err, want)
		}
	}
}
