package bench_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"cohort/bench"
)

func TestAChartIsXMLWithItsBarsToScale(t *testing.T) {
	var out bytes.Buffer
	err := bench.Chart{Title: "a < b", Unit: "/s", Groups: []bench.Bars{
		{Title: "one", Bars: []bench.Bar{{Name: "ours", Value: 1_234_567, Ours: true}, {Name: "other", Value: 617_283.5}}},
		{Title: "two", Bars: []bench.Bar{{Name: "nothing", Value: 0}}},
	}}.WriteSVG(&out)
	if err != nil {
		t.Fatal(err)
	}
	var widths []string
	var words []string
	in := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		token, err := in.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, out.String())
		}
		switch token := token.(type) {
		case xml.CharData:
			words = append(words, string(token))
		case xml.StartElement:
			for _, a := range token.Attr {
				if token.Name.Local == "rect" && a.Name.Local == "width" {
					widths = append(widths, a.Value)
				}
			}
		}
	}
	if got := strings.Join(widths, " "); got != "100% 440.0 220.0 0.0" {
		t.Errorf("the widths are %s", got)
	}
	all := strings.Join(words, "|")
	for _, want := range []string{"a < b", "1,230,000/s", "617,000/s", "0/s"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in %q", want, all)
		}
	}
}
