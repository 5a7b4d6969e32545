package ingest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/ingest"
)

func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cohort.csv")
	text := strings.Repeat("nhs_number\n", 300_000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sum, size, err := ingest.Digest(t.Context(), path)
	if err != nil || size != int64(len(text)) || sum != sha256.Sum256([]byte(text)) {
		t.Errorf("%d bytes, %v", size, err)
	}
	why := errors.New("asked to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, _, err := ingest.Digest(ctx, path); !errors.Is(err, why) {
		t.Errorf("after cancel: %v", err)
	}
	if _, _, err := ingest.Digest(t.Context(), path+".gone"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

func TestRejectWriter(t *testing.T) {
	var out strings.Builder
	w := ingest.NewRejectWriter(&out)
	if err := w.Write(3, "a.csv", 4, "empty_required", `the required field "name" is empty`); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "row,file,line,code,reason\n3,a.csv,4,empty_required,\"the required field \"\"name\"\" is empty\"\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
	out.Reset()
	if err := ingest.NewRejectWriter(&out).Flush(); err != nil || out.String() != "row,file,line,code,reason\n" {
		t.Errorf("an empty list is %q, %v", out.String(), err)
	}
}
