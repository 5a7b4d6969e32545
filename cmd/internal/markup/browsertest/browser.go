// Package browsertest shows pages to tests in a headless Chromium.
package browsertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	chromium  = "/usr/bin/chromium"
	axeDigest = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" // of axe-core 4.14.1
	axeFile   = "bin/axe/node_modules/axe-core/axe.min.js"
	noAxe     = "window.axe = {run: async () => ({violations: []})}" // finds no barriers
)

// Browser is one tab of a browser.
type Browser struct {
	Ctx    context.Context
	HasAxe bool // axe-core looks for barriers

	axe   string
	mu    sync.Mutex
	wrong []string // messages on the console, and requests elsewhere
	home  string
}

// New starts a browser, or skips the test when there is none.
func New(t *testing.T) *Browser {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Skip("Chromium is missing: apt-get install chromium")
	}
	root := "../.." // of the project, from cmd/cohort
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		root = "../../.." // from a package in cmd/internal
	}
	axe, err := os.ReadFile(filepath.Join(root, axeFile))
	if err != nil {
		t.Log("axe-core is missing, so nothing looks for barriers: npm install --prefix bin/axe axe-core@4.14.1")
		axe = []byte(noAxe)
	} else if sum := sha256.Sum256(axe); hex.EncodeToString(sum[:]) != axeDigest {
		t.Fatalf("%s is not axe-core 4.14.1: %x", axeFile, sum)
	}
	b := &Browser{axe: string(axe), HasAxe: err == nil}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	must(t, chromedp.Do(ctx))
	must(t, chromedp.Listen(ctx, b.listen))
	b.Ctx = ctx
	return b
}

func (b *Browser) listen(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventConsoleAPICalled:
		b.wrong = append(b.wrong, fmt.Sprintf("console: %s", e.Type))
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, "console: exception "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.wrong = append(b.wrong, "console: "+e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, b.home) && !strings.HasPrefix(url, "data:") {
			b.wrong = append(b.wrong, "request: "+url)
		}
	}
}

// Open shows a page. Requests to addresses that do not begin with home are wrong.
func (b *Browser) Open(t *testing.T, url, home string, width, height int64) {
	t.Helper()
	b.mu.Lock()
	b.wrong, b.home = nil, home
	b.mu.Unlock()
	must(t, chromedp.Do(b.Ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(url)))
}

// Wrong returns what is wrong with the page: it is too wide, or has barriers, messages on the console or foreign requests.
func (b *Browser) Wrong(t *testing.T) (wrong []string) {
	t.Helper()
	if over := Eval[int](t, b, `document.documentElement.scrollWidth - window.innerWidth`); over > 0 {
		wrong = append(wrong, fmt.Sprintf("the page is %d pixels too wide", over))
	}
	Eval[chromedp.Void](t, b, b.axe)
	found, err := chromedp.Run(b.Ctx, chromedp.Evaluate[[]string](`axe.run().then(r =>
		r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html + n.failureSummary).join(" | ")))`, chromedp.EvalAwaitPromise))
	must(t, err)
	return append(append(wrong, found...), b.Messages()...)
}

// Messages returns the messages on the console and the foreign requests since the page was opened.
func (b *Browser) Messages() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.wrong...)
}

// Eval returns the value of an expression on the page.
func Eval[T any](t *testing.T, b *Browser, script string) T {
	t.Helper()
	value, err := chromedp.Run(b.Ctx, chromedp.Evaluate[T](script))
	must(t, err)
	return value
}

// Shoot writes a picture of the whole page into the folder COHORT_SHOTS, if there is one.
func (b *Browser) Shoot(t *testing.T, name string) {
	t.Helper()
	folder := os.Getenv("COHORT_SHOTS")
	if folder == "" || name == "" {
		return
	}
	shot, err := chromedp.Run(b.Ctx, chromedp.FullScreenshot(100))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
