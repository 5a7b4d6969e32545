package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/cmd/internal/status"
)

// incident is something that befalls a run at a simulator, and that people end as its runbook says.
type incident struct {
	runbook string
	plays   func(*game)
	short   bool // it is played by make test, too
}

var incidents = []incident{
	{"halted-by-the-service", (*game).refusals, true},
	{"token-failing", (*game).wrongKey, false},
	{"throttled", (*game).tooManyRequests, false},
	{"in-doubt", (*game).doubtInTheApp, false},
	{"foreign-batch", (*game).sentByACopy, false},
	{"disk-full", (*game).diskFull, false},
	{"machine-lost", (*game).machineLost, false},
	{"callbacks-silent", (*game).noCallbacks, false},
	{"wrong-words-sent", (*game).wrongWords, false},
	{"wrong-list-sent", (*game).wrongList, false},
	{"stalled", (*game).stalls, false},
	{"died", (*game).dies, false},
	{"list-missing", (*game).listIsMissing, false},
	{"complaint", (*game).aPersonComplains, false},
}

// The game day: each incident is ended by the commands of its runbook, taken from its text. COHORT_GAMEDAY names a
// file for a report, and has all of them played.
func TestGameDay(t *testing.T) {
	report := os.Getenv("COHORT_GAMEDAY")
	var (
		mu    sync.Mutex
		lines = fmt.Sprintf("%-22s %8s  %s\n", "incident", "minutes", "result")
	)
	built := newWorld(t)
	t.Run("incidents", func(t *testing.T) {
		for _, i := range incidents {
			if report == "" && !i.short {
				continue
			}
			t.Run(i.runbook, func(t *testing.T) {
				t.Parallel()
				g := &game{world: built.another(t), name: i.runbook}
				defer func(began time.Time) {
					result := "over, as the runbook says"
					if t.Failed() {
						result = "NOT OVER"
					} else if t.Skipped() {
						result = "not played: this machine cannot"
					}
					mu.Lock()
					defer mu.Unlock()
					lines += fmt.Sprintf("%-22s %8.2f  %s\n", i.runbook, time.Since(began).Minutes(), result)
				}(time.Now())
				i.plays(g)
			})
		}
	})
	if report != "" {
		Must(0, os.WriteFile(report, []byte(lines), 0o644))
	}
}

// game is a world in which an incident is played.
type game struct {
	*world
	name    string // of the runbook
	service *standIn
	fill    []string // what the runbook has, and what stands for it here, in turn
	ahead   bool     // the program's clock is days ahead
}

// taken is a command of a runbook, as it is taken in an incident.
type taken struct {
	is    string // how it begins on the page
	exits int    // or one of those below
	says  string // a pattern for what it prints
	first func() // what people do before it
}

const (
	notHere = -1
	goesOn  = -2 // it ends, or halts again for the same reason
)

// follow takes the commands of the runbook, in order.
func (g *game) follow(all ...taken) {
	g.t.Helper()
	text := runbookText(g.t, g.name)
	commands := commandsOf(text)
	if len(commands) != len(all) {
		g.t.Fatalf("%s has %d commands, and %d are played", g.name, len(commands), len(all))
	}
	for i, c := range all {
		if !strings.HasPrefix(commands[i], c.is) {
			g.t.Fatalf("%s: command %d is now: %s", g.name, i+1, commands[i])
		}
		if c.exits == notHere {
			continue
		}
		if c.first != nil {
			c.first()
		}
		said, code := g.takes(commands[i])
		if c.exits == goesOn && (code == 0 || code == 3) {
			c.exits = code
		}
		if code != c.exits || !regexp.MustCompile(c.says).MatchString(said) {
			g.t.Fatalf("%s: exit %d, not %d, or it does not say %q\n%s", commands[i], code, c.exits, c.says, said)
		}
	}
}

// takes runs a command of a runbook in a shell, as a person does.
func (g *game) takes(line string) (said string, code int) {
	g.t.Helper()
	var out bytes.Buffer
	c := g.shell(line, &out)
	hung := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
	defer hung.Stop()
	_ = c.Wait()
	return out.String(), c.ProcessState.ExitCode()
}

// shell starts a command line of a runbook.
func (g *game) shell(line string, out *bytes.Buffer) *exec.Cmd {
	g.t.Helper()
	line = strings.NewReplacer(append(g.fill, "WHY", "the game day")...).Replace(line)
	if regexp.MustCompile(`\b[A-Z]{3,}\b`).MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(line, "")) {
		g.t.Fatalf("nobody knows what to write into: %s", line)
	}
	c := exec.Command("sh", "-c", "exec "+line)
	path := g.path("bin")
	if _, err := os.Stat(path); err != nil {
		Must(0, os.Mkdir(path, 0o700))
		Must(0, os.Symlink(g.binary, filepath.Join(path, "cohort")))
		Must(0, os.MkdirAll(g.path("ahead"), 0o700))
		Must(0, os.Symlink(Must(os.Executable()), g.path("later")))
		Must(0, os.WriteFile(g.path("ahead/cohort"), []byte("#!/bin/sh\nexec "+g.path("later")+" \"$@\"\n"), 0o700))
	}
	if g.ahead {
		path = g.path("ahead")
	}
	c.Dir, c.Env = g.dir, append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"))
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		g.t.Fatal(err)
	}
	return c
}

// serve starts the service with faults, or starts it again with others. It forgets nothing.
func (g *game) serve(faults string, more ...string) {
	g.t.Helper()
	if g.service == nil {
		g.service = g.standIn(faults, 7)
		g.service.args = append(g.service.args, more...)
		if len(more) == 0 {
			return
		}
	}
	g.service.die()
	g.write("faults.yaml", faults)
	g.service.start()
}

// slowly writes a campaign that sends so many batches of ten a second.
func (g *game) slowly(batches int, extra string) {
	g.t.Helper()
	g.campaign(fmt.Sprintf("pace: {per_second: %d}\n%s", 10*batches, extra))
	g.spoil("max_messages: 400", "max_messages: 10")
}

// sending starts the send, and waits until so many messages are accepted.
func (g *game) sending(accepted int, args ...string) (*exec.Cmd, *bytes.Buffer) {
	g.t.Helper()
	c, _, stderr := g.start(append([]string{"send", "-c", "campaign.yaml", "cohort.csv"}, args...)...)
	g.await("messages are accepted", func() bool { return g.service.accepted() >= accepted })
	return c, stderr
}

// halts waits for the end of a process. It says where the runbook is, and the last line is the command that goes on.
func (g *game) halts(c *exec.Cmd, stderr *bytes.Buffer, code int, reason string) {
	g.t.Helper()
	g.endsWith(c, stderr, code)
	want := fmt.Sprintf(`\[%s\]\nRunbook: cohort runbook %s\n\S+ [a-z]+ \S+\n$`, reason, g.name)
	if !regexp.MustCompile(want).MatchString(stderr.String()) {
		g.t.Fatalf("it does not lead to the runbook:\n%s", stderr)
	}
}

// at has the runbook be about the run in a folder.
func (g *game) at(dir string) { g.fill = append(g.fill, "DIR", dir) }

// over checks that the run in a folder is finished, that the account adds up, and that it agrees with the service for
// each record: everybody once.
func (g *game) over(dir string, people int) {
	g.t.Helper()
	if s := g.state(dir); s.State != "finished" || !s.AddsUp || s.Fates["accepted"] != int64(people) {
		g.t.Errorf("the run is %s, adds up %v: %v", s.State, s.AddsUp, s.Fates)
	}
	if counts := g.agree(g.report(dir), g.ledger()); counts["accepted"] != people {
		g.t.Errorf("%v of %d people", counts, people)
	}
	if said, code := g.takes("cohort log verify " + dir); code != 0 {
		g.t.Error(said)
	}
}

func (g *game) state(dir string) (s status.Status) {
	g.t.Helper()
	o := g.run("status", dir, "--json")
	if err := json.Unmarshal([]byte(o.stdout), &s); err != nil {
		g.t.Fatalf("%v: %s%s", err, o.stdout, o.stderr)
	}
	return s
}
