package pace

import (
	"testing"
	"time"
)

// A batch every forty seconds is a rate and no standstill; nothing for minutes is one.
func TestSpeedBetweenLargeBatches(t *testing.T) {
	began := time.Unix(1_800_000_000, 0)
	var s Speed
	at := func(second int) time.Time { return began.Add(time.Duration(second) * time.Second) }
	for second := range 401 {
		s.Add(at(second), int64(second/40*1000))
		if rate := s.PerSecond(); second > 45 && (rate < 12 || rate > 36) {
			t.Errorf("after %d s it is %.1f a second, and 1000 come every 40 s", second, rate)
		}
	}
	for second := range 200 {
		s.Add(at(401+second), 10_000)
	}
	if rate := s.PerSecond(); rate != 0 {
		t.Errorf("after minutes of nothing it is %.1f a second", rate)
	}
	for second := range 60 {
		s.Add(at(601+second), 10_000+int64(second)*50)
	}
	if rate := s.PerSecond(); rate < 49 || rate > 51 {
		t.Errorf("it is %.1f a second and should be that of the last half minute", rate)
	}
}
