package page

import (
	"os"
	"testing"
)

// The program is called as a person calls it.
func TestMain(m *testing.M) {
	os.Args[0] = "cohort"
	os.Exit(m.Run())
}
