package share

import "testing"

func BenchmarkUse(b *testing.B) {
	s, err := Open(b.TempDir(), Options{Name: "key", Weight: 1, Quota: 1200})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Use()
	}
}
