package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cohort/cmd/internal/run"
	"cohort/docs/runbooks"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cohort": main, "later": later, "tenmonthslater": tenMonthsLater})
}

// later is the program with a clock that is three days ahead for messages in doubt.
func later() { runAhead(0, 3) }

// tenMonthsLater is the same, when a service has forgotten the references that it was sent.
func tenMonthsLater() { runAhead(10, 0) }

func runAhead(months, days int) {
	root := rootCommand()
	root.SetArgs(os.Args[1:])
	clock := func() time.Time { return time.Now().AddDate(0, months, days) }
	os.Exit(conclude(root.ExecuteContext(context.WithValue(context.Background(), run.ClockKey{}, clock)), teller{stderr: os.Stderr}))
}

// TestScripts runs what a person would type, as testdata/*.txtar has it.
func TestScripts(t *testing.T) {
	keys := newKeys(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SIM", freeAddress(t))
			env.Setenv("CLOSED", freeAddress(t))
			secrets := filepath.Join(env.WorkDir, "secrets")
			if err := os.Mkdir(secrets, 0o700); err != nil {
				return err
			}
			for name, text := range keys {
				if err := os.WriteFile(filepath.Join(secrets, name), text, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "tmpfs" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return canMount(t), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"refused": refused,
			"leads":   leads,
			"answers": answers,
			"unnamed": unnamed,
			"tmpfs":   tmpfs,
			"fill":    fill,
			"expand":  expand,

			"nobodytwice": nobodyTwice,
			"ledgerholds": ledgerHolds,
			"ledgerempty": ledgerEmpty,
			"proven":      proven,
			"noids":       noIDs,
			"settled":     settled,
			"delivered":   delivered,
			"received":    received,
			"listed":      listed,
			"wentby":      wentBy,

			"ledgercounts": ledgerCounts,
			"doubtful":     doubtful,
			"reports":      contradictions,
			"contradicted": contradicted,
		},
	})
}

// newKeys makes the files of the folder secrets.
func newKeys(t *testing.T) map[string][]byte {
	w := &world{t: t, dir: t.TempDir()}
	w.key("key.pem")
	w.key("other.pem")
	files := map[string][]byte{"api-key": []byte("an-application\n")}
	for _, name := range []string{"key.pem", "other.pem"} {
		text, err := os.ReadFile(w.path(name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = text
	}
	return files
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// exits runs a command and compares its exit code: exits 10 cohort send …
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = "?"
		if e, ok := err.(interface{ ExitCode() int }); ok {
			code = strconv.Itoa(e.ExitCode())
		}
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, not %s", code, args[0])
	}
}

// refused runs a command, and compares the code of its refusal: refused run_busy cohort send …
func refused(ts *testscript.TestScript, _ bool, args []string) {
	exits(ts, false, append([]string{"10"}, args[1:]...))
	if said := ts.ReadFile("stderr"); !endsWith(said, args[0]) {
		ts.Fatalf("it is not refused with %s: %s", args[0], said)
	}
}

// endsWith reports whether what the program says ends with a code, and the code's runbook if there is one.
func endsWith(said, code string) bool {
	return strings.HasSuffix(said, " ["+code+"]\n"+runbooks.Line(code))
}

// answers waits until something listens at an address.
func answers(ts *testscript.TestScript, _ bool, args []string) {
	for range 200 {
		if c, err := net.Dial("tcp", args[0]); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("nothing answers at %s", args[0])
}

// canMount reports whether this user may mount a small filesystem. Where not, the scripts
// of the full disk are skipped.
func canMount(t *testing.T) bool {
	dir := t.TempDir()
	if syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
		return false
	}
	return syscall.Unmount(dir, 0) == nil
}

// tmpfs mounts a small filesystem: tmpfs DIR SIZE
func tmpfs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill writes a file until its filesystem is full but for some KiB: fill FILE KIB
func fill(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	var fs syscall.Statfs_t
	ts.Check(syscall.Statfs(filepath.Dir(name), &fs))
	keep := int64(0)
	for _, c := range args[1] {
		keep = keep*10 + int64(c-'0')
	}
	ts.Check(os.WriteFile(name, make([]byte, int64(fs.Bavail)*fs.Bsize-keep<<10), 0o600))
}

// expand puts the addresses $SIM and $CLOSED into files.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := strings.NewReplacer("$SIM", ts.Getenv("SIM"), "$CLOSED", ts.Getenv("CLOSED"), "$REAL", ts.Getenv("REAL")).Replace(ts.ReadFile(name))
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// nobodyTwice checks that the simulator at an address has accepted messages, and no person twice.
func nobodyTwice(ts *testscript.TestScript, _ bool, args []string) {
	for _, c := range []struct {
		query string
		empty bool
	}{{"?twice=1", true}, {"", false}} {
		resp, err := http.Get("http://" + args[0] + "/_simulator/ledger" + c.query)
		ts.Check(err)
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		ts.Check(err)
		if (len(text) == 0) != c.empty {
			ts.Fatalf("the simulator's ledger%s holds %d bytes", c.query, len(text))
		}
	}
}

// ledgerHolds looks for a text in the ledger of the simulator at an address.
func ledgerHolds(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Get("http://" + args[0] + "/_simulator/ledger")
	ts.Check(err)
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	ts.Check(err)
	if !strings.Contains(string(text), args[1]) {
		ts.Fatalf("the simulator's ledger does not hold %s: %s", args[1], text)
	}
}
