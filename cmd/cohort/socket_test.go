package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A process that was killed leaves its socket behind, which is no file that could be read.
func TestALeftoverSocketIsNoFile(t *testing.T) {
	dir := t.TempDir()
	s, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var read []string
	err = eachFile(dir, func(path string, text []byte, mode fs.FileMode) {
		read = append(read, fmt.Sprint(filepath.Base(path), " ", string(text), " ", mode))
	})
	if got := strings.Join(read, ", "); err != nil || got != "plan.json {} -rw-------" {
		t.Errorf("%s, %v", got, err)
	}
}
