package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/bench"
)

// peer is a program of somebody else that does the job, or some of it. Its sources are a
// folder below bench/peers.
type peer struct {
	name   string
	words  string
	checks bool // it checks numbers and finds duplicates; without, it sends every record
	ready  bool // it posts ready-made bodies
	kills  bool // it does not know of a time to stop at, and does not say what it sent
	make   func(ctx context.Context, build string) error
	call   func(build string, j job) (environment []string, program string, args []string)
}

// job is what a peer is called with.
type job struct {
	url      string
	file     string
	each     int
	inFlight int
	messages int64
	seconds  float64
}

// plainGo is the peer that others are held against.
const plainGo = "plain-go"

var peers = []peer{
	{name: plainGo, words: "plain Go: encoding/csv, map, encoding/json, net/http", checks: true, make: goBuild, call: flagged},
	{name: "vegeta", words: "vegeta, ready-made requests", ready: true, make: goBuild,
		call: func(build string, j job) ([]string, string, []string) {
			e, p, args := flagged(build, j)
			return e, p, append(args, fmt.Sprintf("-messages=%d", j.messages))
		}},
	{name: "benthos", words: "Benthos (Redpanda Connect core): csv, mapping, http_client", kills: true, make: goBuild,
		call: func(build string, j job) ([]string, string, []string) {
			pipeline := "single.yaml"
			if j.each > 1 {
				pipeline = "batched.yaml"
			}
			environment := []string{"URL=" + j.url, "FILE=" + j.file, "BATCH=" + strconv.Itoa(j.each), "IN_FLIGHT=" + strconv.Itoa(j.inFlight)}
			return environment, filepath.Join(build, "peer"), []string{"run", filepath.Join(build, pipeline)}
		}},
	{name: "node", words: "Node: readline, JSON.stringify, undici", make: nodeInstall,
		call: func(build string, j job) ([]string, string, []string) {
			return nil, "node", append([]string{filepath.Join(build, "main.mjs")}, flags(j)...)
		}},
	{name: "python", words: "Python: csv, json, http.client", make: needs("python3"),
		call: func(build string, j job) ([]string, string, []string) {
			args := []string{filepath.Join(build, "main.py")}
			for _, f := range flags(j) {
				args = append(args, "-"+f)
			}
			return nil, "python3", args
		}},
}

// Peers are the names of the peers, in their order.
func Peers() (names []string) {
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

func flags(j job) []string {
	return []string{
		"-url=" + j.url, "-file=" + j.file, "-batch=" + strconv.Itoa(j.each), "-in-flight=" + strconv.Itoa(j.inFlight),
		"-seconds=" + strconv.FormatFloat(j.seconds, 'f', -1, 64),
	}
}

func flagged(build string, j job) ([]string, string, []string) {
	return nil, filepath.Join(build, "peer"), flags(j)
}

// build makes a peer ready in a folder of its own, so that nothing is left among its
// sources. An error says why it is left out.
func (p peer) build(ctx context.Context, sources, folder string) error {
	source := filepath.Join(sources, p.name)
	if _, err := os.Stat(source); err != nil {
		return fmt.Errorf("its sources are not in %s; start from the repository's root, or name the folder with --peers", sources)
	}
	if err := os.CopyFS(folder, os.DirFS(source)); err != nil {
		return err
	}
	return p.make(ctx, folder)
}

func goBuild(ctx context.Context, build string) error {
	if err := needs("go")(ctx, ""); err != nil {
		return err
	}
	_, _, err := bench.Program(ctx, build, []string{"GOWORK=off"}, "go", "build", "-o", "peer", ".")
	return err
}

// nodeInstall installs undici. Where that cannot be had the script does without.
func nodeInstall(ctx context.Context, build string) error {
	if err := needs("node")(ctx, ""); err != nil {
		return err
	}
	_, _, _ = bench.Program(ctx, build, nil, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
	return ctx.Err()
}

// needs says that a program must be on the PATH.
func needs(program string) func(context.Context, string) error {
	return func(context.Context, string) error {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("there is no %s on the PATH", program)
		}
		return nil
	}
}

// run runs a peer once. Whether it came to the end of its messages is for whoever counts
// to say; one that only knows to stop when it is told is told after the bound.
func (p peer) run(ctx context.Context, build string, j job) (Result, error) {
	bounded := ctx
	if p.kills {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, time.Duration(j.seconds*float64(time.Second)))
		defer cancel()
	}
	environment, program, args := p.call(build, j)
	printed, usage, err := bench.Program(bounded, build, environment, program, args...)
	if ctx.Err() == nil && p.kills && errors.Is(err, context.DeadlineExceeded) {
		return Result{Sent: -1, Usage: usage}, nil
	}
	if err != nil || p.kills {
		return Result{Sent: -1, Usage: usage}, err
	}
	var said struct{ Sent int64 }
	if err := json.Unmarshal(printed, &said); err != nil {
		return Result{}, fmt.Errorf("what it printed is no result: %q", printed)
	}
	return Result{Sent: said.Sent, Usage: usage}, nil
}

// peerOf finds a peer by its name.
func peerOf(name string) (peer, bool) {
	i := slices.IndexFunc(peers, func(p peer) bool { return p.name == name })
	if i < 0 {
		return peer{}, false
	}
	return peers[i], true
}

// chosen are the groups and peers of some names; all of no names. A peer's name stands
// for that peer, and the plain Go loop is always among the peers.
func chosen(names []string) (groups []string, some []peer, err error) {
	if len(names) == 0 {
		return Groups(), peers, nil
	}
	for _, name := range names {
		if _, ok := peerOf(name); !ok && !slices.Contains(Groups(), name) {
			return nil, nil, fmt.Errorf("there is nothing called %s; there are: %s", name, strings.Join(append(Groups(), Peers()...), ", "))
		}
	}
	for _, g := range Groups() {
		if slices.Contains(names, g) {
			groups = append(groups, g)
		}
	}
	for _, p := range peers {
		if slices.Contains(names, p.name) || slices.Contains(names, peersGroup) || p.name == plainGo {
			some = append(some, p)
		}
	}
	if named := slices.ContainsFunc(some, func(p peer) bool { return slices.Contains(names, p.name) }); (named || slices.Contains(names, wholeGroup)) && !slices.Contains(groups, peersGroup) {
		groups = append(groups, peersGroup) // the whole of a send stands beside the plain Go loop
	}
	return groups, some, nil
}
