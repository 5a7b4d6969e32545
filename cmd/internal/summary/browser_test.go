package summary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	chromium  = "/usr/bin/chromium"
	axeDigest = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c" // of axe-core 4.14.1
	axeFile   = "../../../bin/axe/node_modules/axe-core/axe.min.js"
)

// A browser shows each page without a message on its console, without a second request and without a barrier that
// axe-core finds, at two widths. Printed, a page has at most three sides of A4. COHORT_SHOTS is a folder for pictures.
func TestAPersonReadsAndPrintsThePage(t *testing.T) {
	b := newBrowser(t)
	for name, figures := range cases {
		t.Run(name, func(t *testing.T) {
			page := render(t, figures())
			for _, width := range []int64{1280, 375} {
				if wrong := b.look(t, page, name, width); len(wrong) > 0 {
					t.Errorf("%d wide: %s", width, strings.Join(wrong, "\n"))
				}
			}
			if n := b.print(t, page, name); n < 1 || n > 3 {
				t.Errorf("%d pages", n)
			}
		})
	}
}

// What the proof above looks for is found where it is.
func TestAPoorPageIsFound(t *testing.T) {
	b := newBrowser(t)
	page := []byte(`<!doctype html><title>x</title><meta http-equiv="Content-Security-Policy" content="style-src 'none'">
<img src="/picture.png"><p style="color:red">x</p><svg width="600" height="9"></svg>`)
	wrong := strings.Join(b.look(t, page, "", 375), "\n")
	for _, want := range []string{"/picture.png", "console", "image-alt", "too wide"} {
		if want == "image-alt" && b.axe == noAxe {
			continue
		}
		if !strings.Contains(wrong, want) {
			t.Errorf("%q is not in %s", want, wrong)
		}
	}
}

// noAxe finds no barriers.
const noAxe = "window.axe = {run: async () => ({violations: []})}"

type browser struct {
	ctx  context.Context
	axe  string
	url  string
	page []byte

	mu       sync.Mutex
	requests []string
	messages []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Skip("Chromium is missing: apt-get install chromium")
	}
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Log("axe-core is missing, so nothing looks for barriers: npm install --prefix bin/axe axe-core@4.14.1")
		axe = []byte(noAxe)
	} else if sum := sha256.Sum256(axe); hex.EncodeToString(sum[:]) != axeDigest {
		t.Fatalf("%s is not axe-core 4.14.1: %x", axeFile, sum)
	}
	b := &browser{axe: string(axe)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.URL.Path != "/" {
			b.requests = append(b.requests, r.URL.Path)
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(b.page)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	must(t, chromedp.Do(ctx))
	must(t, chromedp.Listen(ctx, func(e any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := e.(type) {
		case *runtime.EventConsoleAPICalled:
			b.messages = append(b.messages, fmt.Sprintf("console: %s", e.Type))
		case *runtime.EventExceptionThrown:
			b.messages = append(b.messages, "console: exception")
		case *log.EventEntryAdded:
			b.messages = append(b.messages, "console: "+e.Entry.Text)
		}
	}))
	b.ctx = ctx
	return b
}

// look shows a page and returns what is wrong with it.
func (b *browser) look(t *testing.T, page []byte, name string, width int64) (wrong []string) {
	b.mu.Lock()
	b.page, b.requests, b.messages = page, nil, nil
	b.mu.Unlock()
	must(t, chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate(b.url)))
	if over, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - window.innerWidth`)); err != nil || over > 0 {
		wrong = append(wrong, fmt.Sprintf("the page is %d pixels too wide, %v", over, err))
	}
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](b.axe))
	must(t, err)
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`axe.run().then(r =>
		r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html + n.failureSummary).join(" | ")))`, chromedp.EvalAwaitPromise))
	must(t, err)
	b.shoot(t, name, width)
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(append(append(wrong, found...), b.requests...), b.messages...)
}

func (b *browser) shoot(t *testing.T, name string, width int64) {
	folder := os.Getenv("COHORT_SHOTS")
	if folder == "" || name == "" {
		return
	}
	shot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d.png", name, width)), shot, 0o600))
}

// print returns the number of pages on paper.
func (b *browser) print(t *testing.T, page []byte, name string) int {
	b.mu.Lock()
	b.page = page
	b.mu.Unlock()
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize()))
	must(t, err)
	if folder := os.Getenv("COHORT_SHOTS"); folder != "" {
		must(t, os.WriteFile(filepath.Join(folder, name+".pdf"), pdf, 0o600))
	}
	return bytes.Count(pdf, []byte("/Type /Page\n"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
