package engine

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed says which other packages of this module a package may import, and which of
// the libraries below. What is not listed may import nothing of ours; cmd/... may import
// everything. bench measures the built program from outside.
var allowed = map[string][]string{
	"ingest":                 {"ingest/person", "ingest/value", "ingest/format", "ingest/format/csv", "ingest/format/file", "arrow"},
	"ingest/value":           {"ingest/person"},
	"ingest/format":          {"ingest/person"},
	"ingest/format/csv":      {"ingest/format", "ingest/person"},
	"ingest/format/columnar": {"ingest/format", "arrow", "parquet-go"},
	"ingest/format/file":     {"ingest/format", "ingest/format/csv", "ingest/format/columnar"},
	"shard":                  {"ingest/person", "engine/disk", "arrow"},
	"fixtures":               {"ingest/person"},
	"bench":                  {"fixtures"},
	"engine":                 {"ingest/person"},
	"engine/pace":            {"engine/campaign"},
	"engine/plan":            {"engine", "engine/campaign", "engine/disk", "ingest/person"},
	"engine/record":          {"engine/journal", "engine/pace", "engine/plan"},
	"engine/ledger": {
		"engine", "engine/campaign", "engine/disk", "engine/journal", "engine/pace", "engine/plan", "engine/record", "ingest/person",
	},
	"engine/decision": {"engine", "engine/journal", "engine/ledger", "engine/pace", "engine/plan", "engine/record"},
	"engine/recovery": {"engine/journal", "engine/ledger", "engine/plan", "engine/record"},
	"engine/inspect":  {"engine/journal", "engine/ledger", "engine/plan", "engine/record", "ingest/person"},
	"engine/outcome":  {"engine/journal", "engine/ledger", "engine/plan", "engine/record", "ingest/person"},
	"engine/dispatch": {
		"engine", "engine/campaign", "engine/journal", "engine/ledger", "engine/pace", "engine/plan", "engine/record", "ingest/person",
	},
	"engine/enginetest":       {"engine", "engine/campaign", "engine/journal", "engine/plan", "ingest/person"},
	"engine/report":           {"engine", "engine/delivery", "engine/ledger", "engine/outcome", "engine/plan", "ingest/person", "engine/disk", "parquet-go"},
	"engine/delivery":         {},
	"engine/inbox":            {"engine/delivery", "engine/disk", "engine/journal"},
	"engine/facts":            {"engine", "engine/delivery", "engine/disk", "engine/inbox", "engine/plan"},
	"engine/reach":            {"ingest/person", "engine/disk"},
	"engine/share":            {"engine/disk", "engine/pace"},
	"engine/audit":            {"engine/disk", "engine/journal", "ingest/person"},
	"engine/register":         {"engine/disk", "engine/ledger", "engine/plan", "engine/refusal", "ingest/person"},
	"sinks/wire":              {},
	"sinks/apim":              {"sinks/wire", "golang-jwt"},
	"sinks/exchange":          {"engine", "engine/reach", "ingest/person", "sinks/apim", "sinks/wire"},
	"sinks/notify":            {"engine", "engine/campaign", "engine/reach", "ingest/person", "sinks/apim", "sinks/exchange", "sinks/wire"},
	"sinks/nhsapp":            {"engine", "engine/pace", "engine/reach", "ingest/person", "sinks/apim", "sinks/exchange", "sinks/wire"},
	"sinks/callbacks":         {"engine/delivery"},
	"sinks/sinktest":          {"engine", "ingest/person", "sinks/apim"},
	"sinks/file":              {"engine", "engine/disk", "engine/ledger", "engine/plan", "ingest/person"},
	"sinks/simulator":         {"sinks/simulator/callbacks", "sinks/simulator/faults", "sinks/simulator/gateway", "sinks/simulator/ledger", "sinks/simulator/nhsapp", "sinks/simulator/notify"},
	"sinks/simulator/faults":  {},
	"sinks/simulator/gateway": {"sinks/simulator/faults"},
	"sinks/simulator/ledger":  {},
	"sinks/simulator/nhsapp":  {"sinks/simulator/callbacks", "sinks/simulator/faults", "sinks/simulator/gateway", "sinks/simulator/ledger"},
	"sinks/simulator/notify":  {"sinks/simulator/callbacks", "sinks/simulator/faults", "sinks/simulator/gateway", "sinks/simulator/ledger", "sinks/simulator/nhsapp"},
	"engine/runfolder":        {"engine/campaign", "engine/disk", "engine/journal", "engine/ledger", "engine/outcome", "engine/plan", "engine/refusal"},
	"engine/control":          {"engine/disk", "engine/dispatch", "engine/ledger", "engine/pace", "engine/record", "engine/refusal", "engine/runfolder"},
	"engine/build":            {},
	"sinks":                   {"engine", "engine/build", "engine/campaign", "engine/refusal", "sinks/apim", "sinks/file", "sinks/nhsapp", "sinks/notify", "sinks/simulator"},
	"sinks/delivery":          {"engine", "engine/delivery", "engine/facts", "engine/ledger", "engine/pace", "engine/plan", "engine/refusal", "engine/runfolder", "ingest/person", "shard", "sinks/file", "sinks/nhsapp", "sinks/notify"},
	"engine/journal":          {"engine/disk"},
	"engine/campaign":         {"engine/yamlfile", "ingest/person"},
	"engine/yamlfile":         {},
	"ingest/person":           {},
	"engine/disk":             {},
	"engine/disk/crashfs":     {"engine/disk"},
	"engine/refusal":          {},
	"docs/runbooks":           {},

	"sinks/simulator/callbacks": {"sinks/simulator/faults", "sinks/simulator/gateway", "sinks/simulator/ledger"},
}

// leaves import the standard library alone, and golang.org/x/sys.
var leaves = []string{"ingest/person", "engine/disk", "engine/refusal", "sinks/wire"}

// guarded are the libraries that have one door each.
var guarded = map[string]string{
	"github.com/apache/arrow/":         "arrow",
	"github.com/parquet-go/parquet-go": "parquet-go",
	"github.com/golang-jwt/":           "golang-jwt",
	"github.com/prometheus/":           "prometheus",
}

// wrongArrows checks lines of a package and what it imports, both with spaces between.
func wrongArrows(lines []string) (wrong []string) {
	const module = "cohort/"
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], module) {
			continue
		}
		from := strings.TrimPrefix(fields[0], module)
		if strings.HasPrefix(from, "cmd/") {
			for _, to := range fields[1:] {
				if from != "cmd/internal/metrics" && strings.HasPrefix(to, "github.com/prometheus/") {
					wrong = append(wrong, from+" imports "+to)
				}
			}
			continue
		}
		may, listed := allowed[from]
		if !listed {
			wrong = append(wrong, from+" is in no list of who may import whom")
		}
		for _, to := range fields[1:] {
			arrow := from + " imports " + to
			if slices.Contains(leaves, from) && strings.Contains(strings.Split(to, "/")[0], ".") && !strings.HasPrefix(to, "golang.org/x/sys/") {
				wrong = append(wrong, arrow)
				continue
			}
			name, ours := strings.CutPrefix(to, module)
			for prefix, library := range guarded {
				if strings.HasPrefix(to, prefix) {
					name, ours = library, true
				}
			}
			if ours && !slices.Contains(may, name) {
				wrong = append(wrong, arrow)
			}
		}
	}
	return wrong
}

func TestImportsFollowTheArrows(t *testing.T) {
	root, err := filepath.Abs("..")
	noError(t, err)
	list := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := strings.Split(string(out), "\n")
	if len(lines) < len(allowed) {
		t.Errorf("only %d packages were found", len(lines))
	}
	for _, wrong := range wrongArrows(lines) {
		t.Error(wrong)
	}
}

// Only tests of the engine may open a progress log on another filesystem than the operating
// system's. So no flag and no campaign can ask for a log without fsync.
func TestNoRunIsOpenedOnAnotherFilesystem(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		name := filepath.ToSlash(path)
		if err != nil || e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "../engine/") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "ledger.OpenOn") {
			t.Errorf("%s names ledger.OpenOn", name)
		}
		return err
	})
	noError(t, err)
}

// The check is worth something: planted arrows are found.
func TestPlantedArrowsAreFound(t *testing.T) {
	for _, test := range []struct {
		line  string
		wrong bool
	}{
		{"cohort/engine cohort/ingest/person fmt golang.org/x/time/rate", false},
		{"cohort/engine cohort/ingest", true},
		{"cohort/engine cohort/shard", true},
		{"cohort/engine cohort/sinks/notify", true},
		{"cohort/engine github.com/apache/arrow/go/v15/arrow", true},
		{"cohort/engine github.com/parquet-go/parquet-go", true},
		{"cohort/engine/report github.com/parquet-go/parquet-go/compress/zstd", false},
		{"cohort/engine/report github.com/apache/arrow/go/v15/arrow", true},
		{"cohort/engine/journal cohort/engine/disk", false},
		{"cohort/engine/journal cohort/engine/disk/crashfs", true},
		{"cohort/engine cohort/engine/plan", true},
		{"cohort/engine/record cohort/engine/ledger", true},
		{"cohort/engine/ledger cohort/engine/dispatch", true},
		{"cohort/sinks/notify cohort/engine/ledger", true},
		{"cohort/engine/campaign cohort/engine", true},
		{"cohort/engine/disk golang.org/x/sys/unix", false},
		{"cohort/engine/disk golang.org/x/sync/errgroup", true},
		{"cohort/ingest/person github.com/google/uuid", true},
		{"cohort/ingest/person cohort/engine/disk", true},
		{"cohort/ingest github.com/apache/arrow/go/v15/arrow/array", false},
		{"cohort/ingest github.com/parquet-go/parquet-go/format", true},
		{"cohort/ingest/format/columnar github.com/parquet-go/parquet-go/format", false},
		{"cohort/ingest/format/csv github.com/apache/arrow/go/v15/arrow", true},
		{"cohort/ingest/format cohort/ingest", true},
		{"cohort/shard github.com/parquet-go/parquet-go", true},
		{"cohort/ingest cohort/shard", true},
		{"cohort/shard cohort/ingest", true},
		{"cohort/sinks/apim github.com/golang-jwt/jwt/v5", false},
		{"cohort/sinks/notify github.com/golang-jwt/jwt/v5", true},
		{"cohort/sinks/apim cohort/sinks/wire crypto/tls", false},
		{"cohort/sinks/wire cohort/sinks/apim", true},
		{"cohort/sinks/wire github.com/google/uuid", true},
		{"cohort/sinks/notify cohort/engine/report", true},
		{"cohort/sinks/simulator cohort/engine", true},
		{"cohort/sinks/simulator cohort/sinks/simulator/notify", false},
		{"cohort/sinks/simulator/notify cohort/sinks/notify", true},
		{"cohort/sinks/simulator/ledger cohort/sinks/simulator/gateway", true},
		{"cohort/fixtures cohort/ingest", true},
		{"cohort/cmd/cohort cohort/shard cohort/engine github.com/golang-jwt/jwt/v5", false},
		{"cohort/cmd/internal/metrics github.com/prometheus/client_golang/prometheus", false},
		{"cohort/cmd/cohort github.com/prometheus/client_golang/prometheus", true},
		{"cohort/engine/dispatch github.com/prometheus/client_golang/prometheus", true},
		{"cohort/bench cohort/fixtures", false},
		{"cohort/bench cohort/engine", true},
		{"cohort/ingest cohort/bench", true},
		{"cohort/benchmarks fmt", true},
		{"cohort/newcomer fmt", true},
	} {
		if got := wrongArrows([]string{test.line}); (len(got) > 0) != test.wrong {
			t.Errorf("%s: %s", test.line, fmt.Sprint(got))
		}
	}
}
