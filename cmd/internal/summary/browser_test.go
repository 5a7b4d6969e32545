package summary

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"cohort/cmd/internal/markup/browsertest"
)

// A browser shows each page without a message on its console, without a second request and without a barrier that
// axe-core finds, at two widths. Printed, a page has at most three sides of A4. COHORT_SHOTS is a folder for pictures.
func TestAPersonReadsAndPrintsThePage(t *testing.T) {
	b := newReader(t)
	for name, figures := range cases {
		t.Run(name, func(t *testing.T) {
			page := render(t, figures())
			for _, width := range []int64{1280, 375} {
				if wrong := b.look(t, page, name, width); len(wrong) > 0 {
					t.Errorf("%d wide: %s", width, strings.Join(wrong, "\n"))
				}
			}
			if n := b.print(t, name); n < 1 || n > 3 {
				t.Errorf("%d pages", n)
			}
		})
	}
}

// What the proof above looks for is found where it is.
func TestAPoorPageIsFound(t *testing.T) {
	b := newReader(t)
	page := []byte(`<!doctype html><title>x</title><meta http-equiv="Content-Security-Policy" content="style-src 'none'">
<img src="/picture.png"><p style="color:red">x</p><svg width="600" height="9"></svg>`)
	wrong := strings.Join(b.look(t, page, "", 375), "\n")
	for _, want := range []string{"/picture.png", "console", "image-alt", "too wide"} {
		if want == "image-alt" && !b.HasAxe {
			continue
		}
		if !strings.Contains(wrong, want) {
			t.Errorf("%q is not in %s", want, wrong)
		}
	}
}

// reader is a browser that shows one page.
type reader struct {
	*browsertest.Browser
	url  string
	page atomic.Pointer[[]byte]
}

func newReader(t *testing.T) *reader {
	b := &reader{Browser: browsertest.New(t)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(*b.page.Load())
	}))
	t.Cleanup(server.Close)
	b.url = server.URL + "/page"
	return b
}

// look shows a page and returns what is wrong with it.
func (b *reader) look(t *testing.T, page []byte, name string, width int64) []string {
	b.page.Store(&page)
	b.Open(t, b.url, b.url, width, 800)
	wrong := b.Wrong(t)
	if name != "" {
		b.Shoot(t, fmt.Sprintf("%s-%d", name, width))
	}
	return wrong
}

// print returns the number of pages on paper.
func (b *reader) print(t *testing.T, name string) int {
	pdf, err := chromedp.Run(b.Ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize()))
	if err == nil && os.Getenv("COHORT_SHOTS") != "" {
		err = os.WriteFile(filepath.Join(os.Getenv("COHORT_SHOTS"), name+".pdf"), pdf, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(pdf, []byte("/Type /Page\n"))
}
