package ingest

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/ingest/format"
	"cohort/ingest/format/csv"
	"cohort/ingest/value"
)

const numberA, numberB = "9990000018", "9990000026"

// Whatever is wrong with a file, and wherever its chunks end, several goroutines refuse
// it in the words of one, or read the same records.
func TestChunksAreReadAsTheWhole(t *testing.T) {
	const head = "nhs_number,name\n"
	long := func(n int) string { return strings.Repeat("x", n) }
	lines := strings.Repeat(numberA+",Ann\n\n1,Bob\n", 2_000)
	for sentence, text := range map[string]string{
		"many records":                               head + lines,
		"very short records":                         head + strings.Repeat("1\n", 40_000),
		"empty lines only behind a record":           head + "1,2\n" + strings.Repeat("\r\n", 20_000),
		"no line end at the end":                     head + lines + "1,2",
		"a carriage return at the end":               head + lines + "1,2\r",
		"a long record between others":               head + lines + "1," + long(700_000) + "\n" + lines,
		"a record of 1 MiB":                          head + lines + "1," + long(format.MaxRecord-3) + "\n" + lines,
		"a record of 1 MiB without a line end":       head + lines + "1," + long(format.MaxRecord-2),
		"a record of a byte more":                    head + lines + "1," + long(format.MaxRecord-2) + "\n" + lines,
		"a record of a byte more without a line end": head + lines + "1," + long(format.MaxRecord-1),
		"a quoted record of a byte more":             head + lines + "1,\"" + long(format.MaxRecord-4) + "\"\n" + lines,
		"a quote open at the end, a byte more":       head + lines + "1,\"" + long(format.MaxRecord-2),
		"a record far too long":                      head + lines + long(2<<20) + "\n" + lines,
		"carriage returns alone":                     head + lines + strings.Repeat("1,2\r", 1<<19),
		"a quote never closed":                       head + lines + "\n1,\"x\n" + strings.Repeat("1,2\n", 1000),
		"a quote never closed within 1 MiB":          head + lines + "\n1,\"x\n" + strings.Repeat(lines, 40),
		"a quote closed far behind":                  head + lines + "\n1,\"x\n" + lines + lines + "\"\n" + lines,
		"a quote closed far behind by another":       head + lines + "\n1,\"x\n" + lines + lines + "1,\"y\"\n" + lines,
		"a bare quote":                               head + lines + "1,x\"\n" + lines + "1,\"y\"z\n",
		"two bare quotes around line ends":           head + lines + "1,x\"\n" + lines + "1,y\"\n" + lines + lines,
		"text behind a quote":                        head + lines + "1,\"x\n\"\r \n" + lines,
		"a bad quote in a record that is too long":   head + lines + "1," + long(format.MaxRecord) + "\"\n" + lines,
		"a bad quote just before it is too long":     head + lines + "1," + long(format.MaxRecord-3) + "\"\n" + lines,
		"quoted records of many lines":               head + strings.Repeat("1,\"\n\n\"\"\n\n\"\r\n", 6_000),
	} {
		t.Run(sentence, func(t *testing.T) {
			o := Options{Fields: []string{"name"}}
			for _, end := range []error{io.EOF, errBroken} {
				source := func() io.Reader { return io.MultiReader(strings.NewReader(text), &failing{end}) }
				whole := accountOf(source(), o, 0, 0)
				for workers, chunk := range map[int]int{1: csv.ChunkSize, 3: 1 << 12} {
					if what := whole.differs(accountOf(source(), o, workers, chunk)); what != "" {
						t.Errorf("%d bytes by %d: %.300s", chunk, workers, what)
					}
				}
			}
		})
	}
}

// Of a file without an end of a record no more is read than it takes to refuse it.
func TestAChunkWithoutAnEndIsTheLast(t *testing.T) {
	for _, endless := range []string{"x", "\"\"", "x\n"} {
		src := &counted{src: io.MultiReader(strings.NewReader("nhs_number,name\n1,2\n1,\""), strings.NewReader(strings.Repeat(endless, 16<<20/len(endless))))}
		a := accountOf(src, Options{}, 2, csv.ChunkSize)
		if a.err == "" || src.n > 3<<20 {
			t.Errorf("%q: %q after %d bytes", endless, a.err, src.n)
		}
	}
}

type counted struct {
	src io.Reader
	n   int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += n
	return n, err
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A worker may begin before anybody knows whether the cohort's order is of numbers or
// of times, and guess it from its own chunk.
func TestAWrongGuessOfTheOrderIsPutRight(t *testing.T) {
	const first, second = 1704067200000, 1704153600000 // of January 2024
	for sentence, test := range map[string]struct {
		serials [3]string
		want    [3]int64 // 0 for one that cannot be read
	}{
		"numbers first":                {[3]string{"5", "20240101", "2024-01-02"}, [3]int64{5, 20240101, 0}},
		"times first":                  {[3]string{"20240101", "7", "20240102"}, [3]int64{first, 0, second}},
		"nothing can be read at first": {[3]string{"x", "20240101", "8"}, [3]int64{0, first, 0}},
		"nothing can be read later":    {[3]string{"5", "x", "y"}, [3]int64{5, 0, 0}},
		"all the same":                 {[3]string{"5", "6", "7"}, [3]int64{5, 6, 7}},
	} {
		text := "nhs_number,name,serial\n"
		for _, serial := range test.serials {
			text += numberA + ",x," + serial + "\n"
		}
		d, err := NewReader(strings.NewReader(text), "c", Options{LatestBy: "serial"})
		if err != nil {
			t.Fatal(err)
		}
		d.workers, d.chunk = 2, 1
		d.begin()
		d.pool.running.Wait() // every chunk is parsed, without knowing of the others
		if n := len(d.pool.ordered); n < 3 {
			t.Fatalf("%d chunks", n)
		}
		var got []int64
		for err == nil {
			var b *batch
			if b, err = d.pool.next(&d.total); err == nil {
				got = append(got, b.order[:b.rows]...)
			}
		}
		if s := d.Summary(); err != io.EOF || !slices.Equal(got, test.want[:]) || s.Records != 3 || len(s.Reasons) > 0 && s.Reasons[0].Count != s.Invalid {
			t.Errorf("%s: %v, %v, %+v", sentence, got, err, s)
		}
	}
}

func TestNoWorkerOutlivesTheLoop(t *testing.T) {
	text := "nhs_number,name\n" + strings.Repeat(numberA+",Ann\n", 50_000)
	for sentence, test := range map[string]struct {
		tail  string
		leave func(batches int, cancel context.CancelFunc) bool
	}{
		"at the end":              {"", func(int, context.CancelFunc) bool { return false }},
		"after one batch":         {"", func(int, context.CancelFunc) bool { return true }},
		"in the middle":           {"", func(n int, _ context.CancelFunc) bool { return n == 20 }},
		"when the context ends":   {"", func(_ int, cancel context.CancelFunc) bool { cancel(); return false }},
		"when a file is refused":  {"x\"\n", func(int, context.CancelFunc) bool { return false }},
		"long before it would be": {"x\"\n", func(int, context.CancelFunc) bool { return true }},
	} {
		before := runtime.NumGoroutine()
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			d, err := newStream(ctx, strings.NewReader(text+test.tail), "c", Options{})
			if err != nil {
				t.Fatal(err)
			}
			d.workers, d.chunk = 4, 4096
			batches := 0
			for range d.Records() {
				if batches++; test.leave(batches, cancel) {
					break
				}
			}
			cancel()
		}
		// A goroutine that has said that it is done may take a moment to be gone.
		for wait := 0; runtime.NumGoroutine() > before; wait++ {
			if wait == 1000 {
				t.Fatalf("%s: %d goroutines, %d before", sentence, runtime.NumGoroutine(), before)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// A chunk that ends within a record, with nothing refused before it, is a defect of the
// chunker that must never pass for the end of the file.
func TestATornChunkIsADefect(t *testing.T) {
	d, err := NewReader(strings.NewReader("nhs_number,name\n1,2\n"), "c", Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := newParser(d.current.Source.(*csv.Sheet), d.checker, &d.batches)
	for text, want := range map[string]error{"1,2\n3": csv.ErrTorn, "1,2\n": nil, "1,\"2\n": csv.ErrTorn} {
		c := &parsed{chunk: csv.Chunk{Text: []byte(text), After: csv.ErrNext}, tally: d.total.another()}
		if p.parse(c, value.Unsettled); !errors.Is(c.err, want) {
			t.Errorf("%q: %v", text, c.err)
		}
	}
}

// The first lines of a reason are the file's first, whichever worker was done first.
func TestTalliesAddUpInOrder(t *testing.T) {
	text := "nhs_number,name\n" + strings.Repeat(numberB+",Ann\n1,Bob\n1,2,3\n", 4000)
	whole := accountOf(strings.NewReader(text), Options{}, 0, 0)
	if !strings.Contains(whole.summary, "Lines:[3 6 9 12 15]") {
		t.Fatal(whole.summary)
	}
	for range 20 {
		if what := whole.differs(accountOf(strings.NewReader(text), Options{}, 4, 64)); what != "" {
			t.Fatalf("%.300s", what)
		}
	}
}
