package bench

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Chart is bars for eyes, in groups of which each has its own scale.
type Chart struct {
	Title  string
	Unit   string // behind every number
	Groups []Bars
}

// Bars is one group of a chart.
type Bars struct {
	Title string
	Bars  []Bar
}

// Bar is one figure. Ours is drawn in another colour than the others.
type Bar struct {
	Name  string
	Value float64
	Ours  bool
}

// The measures of a chart, in pixels.
const (
	chartWidth  = 960
	nameWidth   = 390
	barsWidth   = 440
	barHeight   = 20
	groupHeight = 44
)

// WriteSVG draws the chart.
func (c Chart) WriteSVG(w io.Writer) error {
	var b strings.Builder
	y := 40
	text := func(x, y, size int, anchor, weight, words string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="%d" text-anchor="%s" font-weight="%s">`, x, y, size, anchor, weight)
		_ = xml.EscapeText(&b, []byte(words)) // a strings.Builder takes everything
		b.WriteString("</text>\n")
	}
	text(20, 28, 18, "start", "bold", c.Title)
	for _, g := range c.Groups {
		most := 0.0
		for _, bar := range g.Bars {
			most = max(most, bar.Value)
		}
		text(20, y+28, 14, "start", "bold", g.Title)
		y += groupHeight
		for _, bar := range g.Bars {
			colour, weight := "#b8bec6", "normal"
			if bar.Ours {
				colour, weight = "#005eb8", "bold"
			}
			width := 0.0
			if most > 0 {
				width = bar.Value / most * barsWidth
			}
			text(nameWidth-8, y+14, 12, "end", weight, bar.Name)
			fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", nameWidth, y+1, width, barHeight-4, colour)
			text(nameWidth+int(width)+8, y+14, 12, "start", weight, thousands(bar.Value)+c.Unit)
			y += barHeight
		}
	}
	height := y + 24
	_, err := fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" fill=\"#212b32\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n%s</svg>\n",
		chartWidth, height, chartWidth, height, b.String())
	return err
}

// thousands writes a number above 0 with three digits that count, and a comma before
// every three.
func thousands(v float64) string {
	step := 1.0
	for v/step >= 1000 {
		step *= 10
	}
	digits := fmt.Sprintf("%.0f", float64(int64(v/step+0.5))*step)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
