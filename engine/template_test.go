package engine

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlaceholders(t *testing.T) {
	for sentence, test := range map[string]struct {
		text  string
		names []string
		wrong string
	}{
		"no placeholder":                     {"Dear patient", nil, ""},
		"an empty text":                      {"", nil, ""},
		"one":                                {"((given_name))", []string{"given_name"}, ""},
		"two, in their order":                {"((b)) and ((a))", []string{"b", "a"}, ""},
		"one twice is listed once":           {"((a)) ((a))", []string{"a"}, ""},
		"spaces around the name":             {"(( given_name ))", []string{"given_name"}, ""},
		"a name with a space in it":          {"((First Name))", []string{"First Name"}, ""},
		"single brackets are text":           {"call (0800) 000", nil, ""},
		"closing brackets alone are text":    {"a)) b", nil, ""},
		"two side by side":                   {"((a))((b))", []string{"a", "b"}, ""},
		"a placeholder that is never closed": {"Dear ((given_name", nil, `"((given_name" is not closed: write ((given_name))`},
		"closed by one bracket":              {"((given_name) x", nil, `"((given_name" is not closed: write ((given_name))`},
		"one bracket before another":         {"((given_name) x ((b))", nil, `"((given_name" is not closed: write ((given_name))`},
		"an empty name":                      {"(())", nil, "the name of one column"},
		"a name of spaces":                   {"((  ))", nil, "the name of one column"},
		"three brackets":                     {"(((a)))", nil, "the name of one column"},
		"a placeholder over two lines":       {"((a\nb))", nil, "the name of one column"},
		"a second one that is never closed":  {"((a)) ((b", nil, `"((b" is not closed: write ((b))`},
		"an opening one inside another":      {"((a((b))", nil, "the name of one column"},
	} {
		names, err := Placeholders(test.text)
		if !slices.Equal(names, test.names) {
			t.Errorf("%s: got %q", sentence, names)
		}
		wantError(t, sentence, err, test.wrong)
		if _, compileErr := CompileTemplate(test.text, test.names); (compileErr == nil) != (err == nil) {
			t.Errorf("%s: compiling says %v and listing says %v", sentence, compileErr, err)
		}
	}
}

func TestTemplateRendering(t *testing.T) {
	columns := []string{"given_name", "date", "note"}
	fields := []string{"Zoë", "2026-11-21", "a \"quoted\"\\ line\r\n\tand \x00\x1f"}
	for sentence, test := range map[string]struct{ text, want string }{
		"text alone":                    {"Hello", `"Hello"`},
		"nothing":                       {"", `""`},
		"a field alone":                 {"((given_name))", `"Zoë"`},
		"fields in any order":           {"((date)): ((given_name))!", `"2026-11-21: Zoë!"`},
		"a field twice":                 {"((date))((date))", `"2026-11-212026-11-21"`},
		"text that needs escaping":      {"a \"b\" \\ \n((date))", `"a \"b\" \\ \n2026-11-21"`},
		"a field that needs escaping":   {"((note))", `"a \"quoted\"\\ line\r\n\tand \u0000\u001f"`},
		"markup is left as it is":       {"<b>&((date))</b>", `"<b>&2026-11-21</b>"`},
		"line separators are left, too": {"a\u2028b", "\"a\u2028b\""},
	} {
		template, err := CompileTemplate(test.text, columns)
		noError(t, err)
		if got := string(template.AppendJSON([]byte("x"), fields)); got != "x"+test.want {
			t.Errorf("%s: got %s", sentence, got)
		}
	}
	_, err := CompileTemplate("Dear ((surname))", columns)
	wantError(t, "a placeholder that names no column", err, "((surname)) names no column")
}

// Whatever text goes in comes out again of encoding/json, in one line.
func TestEveryByteThatNeedsAnEscapeIsFoundWhereverItStands(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 0x80 {
				text := []byte(strings.Repeat("é", 10))[:length/2*2]
				text = append(text, 'x')[:length]
				for i := range text {
					if text[i] >= 0x80 && (at/2 == i/2) { // no half of a letter stays
						text[i] = ' '
					}
				}
				text[at] = byte(c)
				var back string
				if err := json.Unmarshal(AppendJSONString(nil, string(text)), &back); err != nil || back != string(text) {
					t.Fatalf("%q comes back as %q (%v)", text, back, err)
				}
			}
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, text := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é\u2028\U0001F600", "((x))", "<&>"} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, literal, field string) {
		if !utf8.ValidString(literal) || !utf8.ValidString(field) {
			t.Skip("ingest lets valid UTF-8 through and nothing else")
		}
		var got string
		encoded := AppendJSONString(nil, field)
		if err := json.Unmarshal(encoded, &got); err != nil || got != field {
			t.Fatalf("%q became %s, read as %q: %v", field, encoded, got, err)
		}
		if short := AppendJSONBytes(nil, []byte(field)); string(short) != string(encoded) {
			t.Fatalf("%q became %s and %s", field, encoded, short)
		}
		literal = strings.ReplaceAll(literal, "(", "[") // so that it holds no placeholder
		template, err := CompileTemplate(literal+"((x))", []string{"x"})
		if err != nil {
			t.Fatalf("%q: %v", literal, err)
		}
		encoded = template.AppendJSON(nil, []string{field})
		if err := json.Unmarshal(encoded, &got); err != nil || got != literal+field {
			t.Fatalf("%q became %s, read as %q: %v", literal+field, encoded, got, err)
		}
		if text := template.AppendText(nil, []string{field}); string(text) != literal+field {
			t.Fatalf("%q became %q as a text", literal+field, text)
		}
		if strings.ContainsAny(string(encoded), "\n\r") {
			t.Fatalf("%q is more than one line", encoded)
		}
	})
}
