package file

import (
	"strings"
	"testing"
)

func TestWindows1252(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	out, used := decode1252(nil, all)
	if text := string(out); used != 256 || !strings.HasPrefix(text[128:], "€\xff‚ƒ„…†‡ˆ‰Š‹Œ\xffŽ\xff\xff‘’“”•–—˜™š›œ\xffžŸ\u00a0¡") || !strings.HasSuffix(text, "üýþÿ") {
		t.Errorf("%q", text[128:])
	}
}
