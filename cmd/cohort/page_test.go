package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cohort/cmd/internal/markup/browsertest"
	"cohort/cmd/internal/status"
	"cohort/engine/control"
	"cohort/engine/dispatch"
)

// A person who has only a keyboard pauses, paces, continues and stops a real run from the page. The log has the records
// that the terminal writes.
func TestThePageHasTheLeversOfTheTerminal(t *testing.T) {
	b := browsertest.New(t)
	t.Chdir(t.TempDir())
	text := strings.Replace(campaignOf(""), "per_second: 0", "per_second: 5", 1)
	Must(0, os.WriteFile("campaign.yaml", []byte(text+"    batch: {max_messages: 5}\n"), 0o600))
	if err := called(t, "generate -n 2000 -o cohort.csv"); err != nil {
		t.Fatal(err)
	}
	dir := Must(filepath.Abs("run"))
	begin := func(out io.Writer, line ...string) <-chan error {
		ended, root := make(chan error, 1), rootCommand()
		root.SetArgs(line)
		root.SetOut(out)
		root.SetErr(io.Discard)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		t.Cleanup(cancel)
		go func() { ended <- root.ExecuteContext(ctx) }()
		return ended
	}
	sent := begin(io.Discard, "send", "-c", "campaign.yaml", "cohort.csv", "--simulate", "--run", dir)
	for {
		if _, err := control.Snapshot(t.Context(), dir); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	along := status.NewReader(dir)
	defer along.Close()
	printed, out := io.Pipe()
	begin(out, "status", dir, "--serve", "127.0.0.1:0", "--levers")
	address := strings.TrimSpace(Must(bufio.NewReader(printed).ReadString('\n')))
	home, _, _ := strings.Cut(address, "?")

	k := keyboard{t, b}
	b.Open(t, address, home, 1280, 800)
	k.await(`document.body.dataset.tone === 'go' && location.search === ''`)
	order := func(button, want string, keys ...func()) {
		t.Helper()
		Must(along.Read(t.Context()))
		k.tabTo(`document.activeElement.textContent === 'Pause, pace or stop this run'`)
		k.press(kb.Enter)
		k.await(`document.title.startsWith('Levers: ')`)
		for _, key := range keys {
			key()
		}
		k.tabTo(fmt.Sprintf(`document.activeElement.textContent === '%s'`, button))
		k.press(kb.Enter)
		k.await(fmt.Sprintf(`document.querySelector('.said')?.textContent.includes(%q)`, want))
	}
	field := func(name, text string) func() {
		return func() {
			k.tabTo(fmt.Sprintf(`document.activeElement.id === '%[1]s' || document.activeElement.name === '%[1]s'`, name))
			k.press(text)
		}
	}
	order("Pause", "paused; to go on: ", field("why-pause", "the booking line is down"))
	k.await(`document.title.startsWith('Paused: ') && document.body.innerText.includes('the booking line is down')`)
	order("Continue", "continues", field("why-continue", "it is up"))
	order("Change the pace", "the pace goes from 5/s to 4/s", field("per_second", "4"), field("why-pace", "with care"))
	order("Stop the run", "stopping; to go on: ", field("why-stop", "enough"), field("sure", " "))
	k.await(`document.title.startsWith('Stopped: ')`)
	if stopped := (*dispatch.Stopped)(nil); !errors.As(<-sent, &stopped) || stopped.Code != "stopped_by_command" {
		t.Errorf("the send ended with %+v", stopped)
	}
	if wrong := b.Messages(); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}

	b.Open(t, home+"runbooks/died", home, 1280, 800)
	k.await(fmt.Sprintf(`[...document.querySelectorAll('pre')].some(p => p.textContent.includes('cohort resume %s'))`, dir))

	of := func(n int) (words []string) {
		for _, e := range Must(status.Read(t.Context(), dir)).Events[n:] {
			if e.Verb != "stopped" {
				words = append(words, status.Words(&e))
			}
		}
		return words
	}
	page := of(0)
	n := len(page) + 1 // and the end of the process
	for _, line := range []string{"pause", "continue", "pace --per-second 4"} {
		reason := map[string]string{"pause": "the booking line is down", "continue": "it is up"}[line]
		args := append(strings.Fields(line), dir, "--reason", reason)
		if reason == "" {
			args[len(args)-1] = "with care"
		}
		if err := <-begin(io.Discard, args...); err != nil {
			t.Fatal(err)
		}
	}
	fresh := Must(json.Marshal(Must(status.Read(t.Context(), dir))))
	if got := Must(json.Marshal(Must(along.Read(t.Context())))); string(got) != string(fresh) {
		t.Errorf("who reads along has %s, and who reads all %s", got, fresh)
	}
	if terminal := of(n); len(page) != 4 || !slices.Equal(page[:3], terminal) || !strings.Contains(page[3], "stop asked for by "+control.WhoAmI()+": enough") {
		t.Errorf("the page wrote %q, and the terminal %q", page, terminal)
	}
}

// keyboard works a page with keys alone.
type keyboard struct {
	t *testing.T
	b *browsertest.Browser
}

func (k keyboard) press(keys string) {
	k.t.Helper()
	if err := chromedp.Do(k.b.Ctx, chromedp.KeyEvent(keys)); err != nil {
		k.t.Fatal(err)
	}
}

// tabTo presses Tab until what it looks for has the focus.
func (k keyboard) tabTo(script string) {
	k.t.Helper()
	for range 40 {
		k.press(kb.Tab)
		if browsertest.Eval[bool](k.t, k.b, script) {
			return
		}
	}
	k.t.Fatalf("no Tab leads to %s in %s", script, browsertest.Eval[string](k.t, k.b, "document.body.innerText"))
}

func (k keyboard) await(script string) {
	k.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok, err := chromedp.Run(k.b.Ctx, chromedp.Evaluate[bool]("Boolean("+script+")")); err == nil && ok {
			return
		}
	}
	k.t.Fatalf("%s never comes in %s", script, browsertest.Eval[string](k.t, k.b, "document.body.innerText"))
}

// The process of a page tells machines how a run stands that has no process any more.
func TestThePageServesMetrics(t *testing.T) {
	t.Chdir(t.TempDir())
	Must(0, os.WriteFile("campaign.yaml", []byte(campaignOf("")), 0o600))
	for _, line := range []string{"generate -n 20 -o cohort.csv", "send -c campaign.yaml cohort.csv --simulate"} {
		if err := called(t, line); err != nil {
			t.Fatal(err)
		}
	}
	root, address := rootCommand(), freeAddress(t)
	root.SetArgs([]string{"status", "--runs", "runs", "--serve", "127.0.0.1:0", "--metrics", address})
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	for {
		var finished, accepted float64
		for series, n := range scrape(address) {
			if strings.HasPrefix(series, "cohort_run_state{") && strings.Contains(series, `"finished"`) {
				finished += n
			}
			if strings.HasPrefix(series, "cohort_messages_accepted_total{") {
				accepted += n
			}
		}
		if finished == 1 && accepted == 20 {
			break
		}
		time.Sleep(20 * time.Millisecond) // go test ends a loop without end
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
