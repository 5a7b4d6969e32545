package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

func TestAReasonMayBeLeftOut(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	open, typing := io.Pipe() // nobody types anything
	t.Cleanup(func() { _ = typing.Close() })
	for sentence, test := range map[string]struct {
		ctx  context.Context
		in   io.Reader
		want string
		out  string
	}{
		"a reason":         {t.Context(), strings.NewReader("  the phones are down \nmore\n"), "the phones are down", ": "},
		"an empty line":    {t.Context(), strings.NewReader("\n"), "", ": "},
		"the input's end":  {t.Context(), strings.NewReader(""), "", ": \n"},
		"half a line":      {t.Context(), strings.NewReader("the ph"), "", ": \n"},
		"Ctrl-C meanwhile": {gone, open, "", ": \n"},
	} {
		var out bytes.Buffer
		got := readReason(test.ctx, test.in, &out)
		if _, tail, _ := strings.Cut(out.String(), "(Enter for none)"); got != test.want || tail != test.out {
			t.Errorf("%s: %q, behind the question %q", sentence, got, tail)
		}
	}
}
