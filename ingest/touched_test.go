package ingest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/ingest/format"
)

// A file that is written to while it is read is refused for that, and for nothing that half of
// it may look like: a cohort's file and a list, with another text of the same length and with
// one that cannot be read.
func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("nhs_number\n")
	for range 400_000 { // more than is read ahead
		fmt.Fprintln(&rows, "9990000018")
	}
	cohort := func(path string, change func()) error {
		r, err := Open(t.Context(), []string{path}, Options{})
		if err != nil {
			return err
		}
		for _, err := range r.Records() {
			if err != nil {
				return err
			}
			change()
		}
		return nil
	}
	list := func(path string, change func()) error {
		l, err := OpenList(t.Context(), path, format.Format{})
		if err != nil {
			return err
		}
		for _, err := range l.People(0) {
			if err != nil {
				return err
			}
			change()
		}
		return nil
	}
	for what, read := range map[string]func(string, func()) error{"a cohort": cohort, "a list": list} {
		for how, text := range map[string]string{"the same length": "9990000026\n", "a quote that is never closed": "\"999000002\n", "nothing": ""} {
			path := filepath.Join(t.TempDir(), "people.csv")
			if err := os.WriteFile(path, []byte(rows.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			changed := false
			err := read(path, func() {
				if changed || text == "" {
					return
				}
				changed = true
				f, err := os.OpenFile(path, os.O_WRONLY, 0)
				if err == nil {
					_, err = f.WriteAt([]byte(text), int64(rows.Len()-len(text)))
				}
				if err != nil {
					t.Fatal(err)
				}
				_ = f.Close()
				_ = os.Chtimes(path, time.Time{}, time.Now().Add(time.Second)) // however coarse its clock is
			})
			if said := err != nil && strings.Contains(err.Error(), "people.csv") && strings.Contains(err.Error(), "the file changed while it was read"); said != (text != "") {
				t.Errorf("%s, %s: %v", what, how, err)
			}
		}
	}
}
