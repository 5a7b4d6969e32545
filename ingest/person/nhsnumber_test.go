package person_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"cohort/ingest/person"
)

func TestParseNHSNumber(t *testing.T) {
	for sentence, test := range map[string]struct {
		text string
		want error
	}{
		"ten digits":                            {"9434765919", nil},
		"spaces, 3-3-4":                         {"943 476 5919", nil},
		"hyphens, 3-3-4":                        {"943-476-5919", nil},
		"no-break spaces, 3-3-4":                {"943\u00a0476\u00a05919", nil},
		"white space around":                    {"\t 9434765919 \r\n", nil},
		"another check digit":                   {"9876544321", person.ErrNumberCheck},
		"a body whose check digit would be 10":  {"9991234560", person.ErrNumberCheck},
		"another such body":                     {"9000000050", person.ErrNumberCheck},
		"a Scottish-looking number, check is 7": {"3201234561", person.ErrNumberCheck},
		"nothing":                               {"", person.ErrNumberMissing},
		"only white space":                      {" \t", person.ErrNumberMissing},
		"only a no-break space":                 {"\u00a0", person.ErrNumberMissing},
		"nine digits":                           {"943476591", person.ErrNumberLength},
		"eleven digits":                         {"94347659190", person.ErrNumberLength},
		"a letter O for a nought":               {"999O000018", person.ErrNumberDigits},
		"a letter behind too many digits":       {"94347659190x", person.ErrNumberDigits},
		"a sign":                                {"+9434765919", person.ErrNumberDigits},
		"an exponent, as spreadsheets write it": {"9.43477E+09", person.ErrNumberShortened},
		"digits of another script":              {"٩٤٣٤٧٦٥٩١٩", person.ErrNumberDigits},
		"full-width digits":                     {"９４３４７６５９１９", person.ErrNumberDigits},
		"half a no-break space":                 {"9434765919\xc2", person.ErrNumberDigits},
		"a minus":                               {"-9434765919", person.ErrNumberNegative},
		"a minus and a space":                   {" - 943 476 5919", person.ErrNumberNegative},
		"a minus behind, as mainframes write":   {"9434765919-", person.ErrNumberNegative},
		"a minus sign of its own":               {"\u22129434765919", person.ErrNumberNegative},
		"a minus behind an apostrophe":          {"'-9434765919", person.ErrNumberNegative},
		"a minus and a fraction":                {"-9434765919.0", person.ErrNumberNegative},
		"a NUL byte":                            {"9434765919\x00", nil},
		"a NUL byte within":                     {"94347\x0065919", person.ErrNumberDigits},
		"a NUL byte before":                     {"\x009434765919", person.ErrNumberDigits},
		"another control character behind":      {"9434765919\x01", person.ErrNumberDigits},
		"NUL bytes only":                        {"\x00\x00", person.ErrNumberDigits},
		"a control character and an apostrophe": {"'\x01", person.ErrNumberDigits},
		"an apostrophe":                         {"'9434765919", nil},
		"a curved apostrophe":                   {"\u20199434765919", nil},
		"quotes around":                         {"\"9434765919\"", nil},
		"the text formula of spreadsheets":      {"=\"9434765919\"", nil},
		"the same with spaces in it":            {"=\"943 476 5919\"", nil},
		"a nought behind a point":               {"9434765919.0", nil},
		"noughts behind a point":                {"9434765919.00", nil},
		"a nought behind a comma":               {"9434765919,0", nil},
		"a point and no more":                   {"9434765919.", nil},
		"a fraction":                            {"9434765919.5", person.ErrNumberFraction},
		"noughts that make it longer":           {"943476591.0", person.ErrNumberDigits},
		"commas between the thousands":          {"9,434,765,919", nil},
		"points between the thousands":          {"9.434.765.919,00", nil},
		"commas elsewhere":                      {"943,476,5919", person.ErrNumberDigits},
		"a decimal fraction of such digits":     {"9.434765919", person.ErrNumberFraction},
		"en dashes":                             {"943\u2013476\u20135919", nil},
		"em dashes and other hyphens":           {"943\u2014476\u20115919", nil},
		"a zero-width space":                    {"9434\u200b765919", nil},
		"a narrow no-break space":               {"943\u202f476\u202f5919", nil},
		"a byte order mark":                     {"\ufeff9434765919", nil},
		"marks of direction":                    {"\u202d9434765919\u202c", nil},
		"a soft hyphen":                         {"94347\u00ad65919", nil},
		"invisible characters only":             {"\u200b\ufeff\u3164", person.ErrNumberMissing},
		"an empty text formula":                 {"=\"\"", person.ErrNumberMissing},
		"a dash for nothing":                    {"\u2013", person.ErrNumberMissing},
		"a power with all ten digits":           {"9.434765919E9", nil},
		"a power with fewer":                    {"9.43E+09", person.ErrNumberShortened},
		"a power with a comma":                  {"9,43477E+09", person.ErrNumberShortened},
		"a power with too many":                 {"9.434765919E+10", person.ErrNumberShortened},
		"a lost character":                      {"9434765919\ufffd", person.ErrNumberDigits},
		"two numbers":                           {"9434765919/9434765919", person.ErrNumberDigits},
		"a digit repeated":                      {"4444444444", person.ErrNumberRepeated},
		"noughts only":                          {"0000000000", person.ErrNumberRepeated},
	} {
		n, err := person.ParseNHSNumber(test.text)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", sentence, err, test.want)
		}
		if err == nil && n.Digits() != "9434765919" {
			t.Errorf("%s: read wrongly", sentence)
		}
	}
}

func TestVectors(t *testing.T) {
	for _, text := range []string{
		"9434765919", "4505577104", "9903002157", "9692113841", "9990548609", "9074662803", "9044151320", "9449304424", "9449306176",
		"9000000009", "9000000017", "9000000025", "9000000033", "9990000018", "9990000026", "9990000034", "9990000042", "9876543210",
		"9990000050", // a computed 11 stands for 0
		"0101010109", // a nought in front
	} {
		n, err := person.ParseNHSNumber([]byte(text))
		if err != nil || n.Digits() != text || fmt.Sprintf("%010d", n.Uint64()) != text {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, body := range []string{"999000000", "999000014", "999000028"} { // no check digit makes these valid
		for digit := range 10 {
			if _, err := person.ParseNHSNumber(fmt.Sprint(body, digit)); !errors.Is(err, person.ErrNumberCheck) {
				t.Errorf("%s%d: %v", body, digit, err)
			}
		}
	}
	for digit := range 10 {
		if _, err := person.ParseNHSNumber(strings.Repeat(fmt.Sprint(digit), 10)); !errors.Is(err, person.ErrNumberRepeated) {
			t.Errorf("ten times %d: %v", digit, err)
		}
	}
}

// rule restates the NHS Data Dictionary's rule in the plainest way, for a text of digits,
// spaces and hyphens.
func rule(text string) (digits string, valid bool) {
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits += string(r)
		case strings.ContainsRune(" -\t\r\n\u00a0", r):
		default:
			return "", false
		}
	}
	if len(digits) != 10 || strings.Count(digits, digits[:1]) == 10 {
		return "", false
	}
	sum := 0
	for i := range 9 {
		sum += int(digits[i]-'0') * (10 - i)
	}
	check := 11 - sum%11
	if check == 11 {
		check = 0
	}
	return digits, check == int(digits[9]-'0')
}

// digitsOf are the first ten ASCII digits of a text, and those behind them.
func digitsOf(text string) (ten, more string) {
	all := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
	return all[:min(10, len(all))], all[min(10, len(all)):]
}

func FuzzNHSNumber(f *testing.F) {
	for _, seed := range []string{"9434765919", "943 476 5919", "943\u00a0476\u00a05919", "0000000000", "9876543210", "\xc2", "x", "", "9000000050", "00000000019",
		"'9434765919", "=\"943\u2013476\u20135919\"", "9434765919.0", "9,434,765,919", "9.434765919E9", "-9434765919", "\u200b9434765919", "9434765919/9434765919"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Beside the text itself, try it as ten digits, which arbitrary text hardly ever is.
		made := []byte(text + "0123456789")[:10]
		for i, c := range made {
			made[i] = '0' + c%10
		}
		for _, text := range []string{text, string(made)} {
			want, valid := rule(text)
			n, err := person.ParseNHSNumber(text)
			same, again := person.ParseNHSNumber([]byte(text))
			if n != same || !errors.Is(again, err) {
				t.Fatalf("%q: string and bytes differ", text)
			}
			minus := strings.HasPrefix(strings.TrimSpace(text), "-") || strings.HasSuffix(strings.TrimSpace(text), "-")
			if valid && !minus && err != nil {
				t.Fatalf("%q: got %v, the rule says that it is one", text, err)
			}
			if minus && err == nil {
				t.Fatalf("%q: a negative number is none", text)
			}
			if valid && err == nil && n.Digits() != want {
				t.Fatalf("%q: read as other digits", text)
			}
			if err == nil { // however it is written: its ten digits come first, and what follows is no other number
				digits, ten := digitsOf(text)
				if _, valid := rule(digits); !valid || n.Digits() != digits || strings.Trim(ten, "09") != "" {
					t.Fatalf("%q: read as %s", text, n.Digits())
				}
			}
		}
	})
}

func TestNumbersMaskThemselves(t *testing.T) {
	n, err := person.ParseNHSNumber("9434765919")
	if err != nil {
		t.Fatal(err)
	}
	secret := []string{n.Digits(), fmt.Sprintf("%x", n.Uint64()), fmt.Sprintf("%X", n.Uint64()), fmt.Sprintf("%o", n.Uint64()), fmt.Sprintf("%b", n.Uint64()), fmt.Sprintf("%x", n.Digits()), "43476591"}
	holder := struct{ Number person.NHSNumber }{n}
	recipient := person.Recipient{Row: 1, Number: n}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "%s", "%q", "%o", "%b", "%c", "%U", "%e", "%T", "%20d", "%-5x"} {
		for _, value := range []any{n, &n, holder, &holder, []person.NHSNumber{n}, map[person.NHSNumber]int{n: 1}, recipient} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	shown = append(shown, fmt.Sprint(n), fmt.Sprintln(holder), n.String())
	for _, value := range []any{n, holder, recipient, map[string]any{"n": n}, map[person.NHSNumber]bool{n: true}} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(text))
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "number", n, "holder", holder, "recipient", recipient, "list", []person.NHSNumber{n})
	}
	for _, text := range append(shown, log.String()) {
		for _, digits := range secret {
			if strings.Contains(text, digits) {
				t.Errorf("%q shows the number", text)
			}
		}
	}
}

func TestErrorsDoNotHoldTheText(t *testing.T) {
	for _, text := range []string{"9434765910", "943476591", "94347659190", "943476591x", "1111111111"} {
		if _, err := person.ParseNHSNumber(text); err == nil || strings.Contains(err.Error(), text[:6]) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFatesAreListedOnce(t *testing.T) {
	seen := map[person.Fate]bool{}
	for _, fate := range person.Fates {
		if seen[fate] {
			t.Errorf("%s is listed twice", fate)
		}
		seen[fate] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d fates", len(seen))
	}
}

func BenchmarkParseNHSNumber(b *testing.B) {
	text := []byte("9434765919")
	for b.Loop() {
		if _, err := person.ParseNHSNumber(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEightDigitsAreDigitsAtEveryPlace(t *testing.T) {
	for place := range 8 {
		for c := range 256 {
			text := []byte("98765432")
			text[place] = byte(c)
			want, err := strconv.ParseUint(string(text), 10, 64)
			got, ok := person.EightDigits(binary.LittleEndian.Uint64(text))
			if wanted := err == nil && text[0] != '+'; ok != wanted || ok && got != want {
				t.Errorf("%q: %d, %t", text, got, ok)
			}
		}
	}
}

func TestTextsThatHoldANumber(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "call 4711": false, "9434765918": false, "1111111111": false, "943476591": false,
		"9434765919": true, "x9434765919y": true, "19434765919": true, "943 476 5919": true, "943.476.5919": true, "943/476/5919": true,
		"943\t476\n5919": true, "943\u202f476\u202f5919": true, "９４３４７６５９１９": true, "٩٤٣٤٧٦٥٩١٩": true, "𝟗𝟜𝟥𝟺𝟩𝟲𝟝𝟫𝟭𝟡": true,
		"943 (new) 476 (sic) 5919": true,
	} {
		if got := person.HasNHSNumber(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
