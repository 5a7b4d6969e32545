package notify

import (
	"testing"
	"time"

	"cohort/engine"
)

func TestKind(t *testing.T) {
	o := options(t, "http://service.example", "")
	s := New(o)
	if s.Kind() != engine.Deduplicates || s.Limits() != o.Limits || s.o.Timeout <= 29*time.Second {
		t.Errorf("kind %d, limits %v, timeout %v: the service itself takes up to 29 s", s.Kind(), s.Limits(), s.o.Timeout)
	}
}
