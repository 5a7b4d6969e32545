package campaign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A text that the YAML library takes hours over is refused before it. Each of these hangs
// without the bounds.
func TestDeepOrLargeCampaignFilesAreRefused(t *testing.T) {
	const deep = "there are more than 100 levels of brackets or lists; is it a campaign file?"
	for sentence, test := range map[string]struct{ text, want string }{
		"brackets":                     {"campaign: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "c.yaml:1: " + deep},
		"brackets over many lines":     {"campaign:\n" + strings.Repeat("  [\n", 50_000), "c.yaml:102: " + deep},
		"braces":                       {"campaign: " + strings.Repeat("{a: ", 50_000), "c.yaml:1: " + deep},
		"lists in lists":               {"campaign:\n  " + strings.Repeat("- ", 100_000), "c.yaml:2: " + deep},
		"keys of keys":                 {strings.Repeat("? ", 100_000), "c.yaml:1: " + deep},
		"a list without end":           {"suppress: [" + strings.Repeat("b,", 200_000), "c.yaml: the file is larger than 256 KiB; is it a campaign file?"},
		"links in a text are not deep": {"campaign: " + strings.Repeat("[a](b) ", 5_000), "c.yaml:1: "},
		"nor is a line of dashes":      {"campaign: |\n  " + strings.Repeat("-", 1_000), "c.yaml:1: campaign may have only"},
	} {
		_, err := Parse([]byte(test.text), "/campaigns/c.yaml")
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), deep) != strings.Contains(test.want, deep) {
			t.Errorf("%s: %.200v", sentence, err)
		}
	}
}

func TestNoMoreIsReadThanACampaignFileMayHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(1 << 40); err != nil {
		t.Skip(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than 256 KiB") {
		t.Error(err)
	}
}
