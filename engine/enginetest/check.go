package enginetest

import (
	"strings"
	"testing"
)

// checkError holds an error against the words it must contain; none means no error.
func CheckError(t testing.TB, sentence string, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("%s: %v", sentence, err)
	case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
		t.Errorf("%s: the error is %v and should say %q", sentence, err, words)
	}
}
