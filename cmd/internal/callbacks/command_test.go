package callbacks

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
	receive "cohort/sinks/callbacks"
)

// A key from a command is read at the start, and again after five minutes: a store of keys is not asked every second.
func TestAKeyFromACommand(t *testing.T) {
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	receiver := receive.New(receive.Options{Log: slog.New(slog.DiscardHandler), APIKeyHeader: "x-api-key"})
	keys := theKeys(&campaign.Callbacks{ApplicationID: "a", APIKeyCommand: []string{"/bin/sh", "-c", "echo ran >> " + ran + "; echo key"}}, receiver)
	for i, want := range []bool{true, false, false} {
		if changed, err := keys.renew(); changed != want || err != nil {
			t.Errorf("look %d: changed %v, %v", i, changed, err)
		}
	}
	if text, _ := os.ReadFile(ran); string(text) != "ran\n" {
		t.Errorf("the command ran %d times", strings.Count(string(text), "ran"))
	}
	bad := theKeys(&campaign.Callbacks{ApplicationID: "a", APIKeyCommand: []string{"/bin/sh", "-c", "echo key >&2; exit 1"}}, receiver)
	if _, err := bad.renew(); refusal.Code(err) != "api_key_unusable" || strings.Contains(err.Error(), "exit 1") {
		t.Error(err)
	}
}

func TestWhatACommandSaidLastsForATime(t *testing.T) {
	now, asked := time.Unix(1000, 0), 0
	key := keep(func() (string, error) {
		if asked++; asked == 2 {
			return "", errors.New("the store is away")
		}
		return fmt.Sprintf("key-%d", asked), nil
	}, time.Minute, func() time.Time { return now })
	for i, want := range []string{"key-1 <nil>", "key-1 <nil>", " the store is away", " the store is away", "key-3 <nil>"} {
		text, err := key()
		if got := fmt.Sprint(text, " ", err); got != want {
			t.Errorf("%d: %s, not %s", i, got, want)
		}
		now = now.Add(31 * time.Second)
	}
}
