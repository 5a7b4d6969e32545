package metrics

import (
	"net/http/httptest"
	"testing"
)

// A scrape of a run with as many series as there can be.
func BenchmarkScrape(b *testing.B) {
	r := worst()
	r.Folder = b.TempDir()
	handler, request := Handler(one(r)), httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
}
