package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/status"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/sinks/simulator/faults"
)

// live goes through the misfortunes in turn and then to the end, and judges it.
func (l *life) live(of []misfortune) {
	l.t.Helper()
	if slices.ContainsFunc(of, func(m misfortune) bool { return m.name == "the line breaks at any byte" }) {
		l.throughALine()
	}
	for _, m := range of {
		if m.may != nil && !m.may(l) {
			continue
		}
		if l.random.IntN(3) == 0 {
			l.grow(len(l.numbers) / 25)
			l.done.kinds["list grown"]++
		}
		l.repace()
		m.befalls(l)
		l.done.kinds[m.name]++
	}
	if l.random.IntN(2) == 0 {
		l.grow(len(l.numbers) / 25)
		l.done.kinds["list grown"]++
	}
	l.setPace("{per_second: 0}")
	l.heal()
	began := time.Now()
	// With the service well nothing stays open.
	for tries, code := 0, -1; code != 0; tries++ {
		if tries == 3 {
			l.t.Fatalf("after %d undisturbed starts the run has not ended", tries)
		}
		c, _, stderr := l.start("send", "-c", "campaign.yaml", "cohort.csv", "--run", l.folder)
		code = l.ends(c, stderr, 0, 3)
	}
	l.done.recovering = time.Since(began)
	l.judge()
}

// heal restarts the service without its faults. It still refuses the poisoned people and early
// requests.
func (l *life) heal() {
	l.t.Helper()
	var well strings.Builder
	for line := range strings.Lines(l.faults) {
		if strings.HasPrefix(line, "poisoned") || strings.HasPrefix(line, "too_early_425") {
			well.WriteString(line)
		}
	}
	l.service.kill()
	l.write("faults.yaml", well.String()+"latency: {fixed: 5ms}\n")
	l.service.start()
}

// judge holds the report against the service's own ledger, the list and the cohort.
func (l *life) judge() {
	l.t.Helper()
	set, err := faults.Load(l.path("faults.yaml"), faults.Kinds())
	if err != nil {
		l.t.Fatal(err)
	}
	poisoned := faults.NewDice(l.seed, set).Poisoned
	named := map[string]bool{}
	for _, number := range l.numbers[:l.listing] {
		named[number] = true
	}
	rows, ledger := l.report(l.folder), l.ledger()
	counts := l.agree(rows, ledger)
	l.wentRightWay(rows, ledger)
	for _, r := range rows {
		switch number := deref(r.NHSNumber); {
		case r.Outcome == "invalid", r.Outcome == "duplicate":
		case l.listed[number] && r.Outcome != "suppressed":
			l.t.Fatalf("row %d was listed before any attempt and is %s", r.Row, r.Outcome)
		case r.Outcome == "suppressed" && !named[number]:
			l.t.Fatalf("row %d is suppressed and on no list", r.Row)
		case r.Outcome == "refused" && (!poisoned(number) || deref(r.ReasonCode) != "CM_INVALID_NHS_NUMBER"):
			l.t.Fatalf("row %d is said to be refused (%s), and the service would have taken it", r.Row, deref(r.ReasonCode))
		case r.Outcome == "accepted" && named[number]:
			l.done.late++
		}
	}
	if counts["in_doubt"] > 0 || counts["not_sent"] > 0 {
		l.t.Fatalf("the run has ended and nothing may be open: %v", counts)
	}
	if len(rows) != l.truth.Records || counts["invalid"] != l.truth.Invalid || counts["duplicate"] != l.truth.Duplicates ||
		counts["accepted"]+counts["refused"]+counts["suppressed"] != l.truth.Sendable {
		l.t.Fatalf("report %v, cohort %+v", counts, l.truth)
	}
	for number := range l.listed {
		if _, sent := ledger[number]; sent {
			l.t.Fatal("somebody was sent to who had been listed before any attempt")
		}
	}
	l.done.accepted, l.done.refused, l.done.listed = counts["accepted"], counts["refused"], counts["suppressed"]
	l.finished(len(ledger))
	l.addUp()
	l.looksForNames()
}

// finished sends once more, which must send nothing, and asks the service what it saw.
func (l *life) finished(accepted int) {
	l.t.Helper()
	if o := l.hear("send", "-c", "campaign.yaml", "cohort.csv", "--run", l.folder); o.code != 0 || !strings.Contains(o.stderr, "finished") {
		l.t.Fatalf("a send of a finished run: exit %d\n%s", o.code, o.stderr)
	}
	var s status.Status
	if o := l.hear("status", l.folder, "--json"); json.Unmarshal([]byte(o.stdout), &s) != nil || !s.AddsUp || s.State != "finished" {
		l.t.Fatalf("status: %s", o.stdout)
	}
	resp, err := http.Get("http://" + l.service.listen + "/_simulator/ledger?twice=1")
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if twice, err := io.ReadAll(resp.Body); err != nil || len(twice) > 0 {
		l.t.Fatalf("accepted twice: %d bytes of it, %v", len(twice), err)
	}
	seen := l.service.stats()
	if seen.MessagesAccepted != accepted || seen.PeopleTwice+seen.ReferencesTwice > 0 || seen.ReplaysWithOtherBody > 0 {
		l.t.Fatalf("the service saw %+v, and has %d people", seen, accepted)
	}
	l.done.settled = seen.Duplicates
}

// addUp counts what the log holds.
func (l *life) addUp() {
	l.t.Helper()
	planned, err := plan.Open(l.folder)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = planned.Close() }()
	folded, err := ledger.Read(l.folder, planned)
	if err != nil {
		l.t.Fatal(err)
	}
	l.done.starts, l.done.requests = folded.Facts().Starts, folded.Facts().Attempts
	for b := range planned.Batches() {
		for id, s := range folded.Forms(uint32(b)) {
			if s.Attempts > 1 {
				l.done.replays += uint64(s.Attempts) - 1
			}
			if id.Revision > 0 && id.Part == 0 {
				l.done.revisions++
			}
		}
	}
}

var tenDigits = regexp.MustCompile(`9[0-9]{9}`)

// looksForNames searches everything that was said, and every file of the run that must
// not hold personal data, for the cohort's numbers.
func (l *life) looksForNames() {
	l.t.Helper()
	people := map[string]bool{}
	for _, number := range l.numbers {
		people[number] = true
	}
	clean := func(where string, text []byte) {
		for _, found := range tenDigits.FindAll(text, -1) {
			if people[string(found)] {
				l.t.Fatalf("%s names a person", where)
			}
		}
	}
	clean("what was said", l.noise.Bytes())
	for _, said := range []string{"panic:", "this is a defect", "goroutine "} {
		if strings.Contains(l.noise.String(), said) {
			l.t.Fatalf("a process said %q\n%s", said, l.noise.String())
		}
	}
	looked := 0
	err := eachFile(l.folder, func(path string, text []byte, _ fs.FileMode) {
		if !strings.HasSuffix(path, ".arrow") && !strings.HasSuffix(path, ".parquet") { // these must
			clean(filepath.Base(path), text)
			looked++
		}
	})
	if err != nil || looked < 8 {
		l.t.Fatalf("looked at %d files: %v", looked, err)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
