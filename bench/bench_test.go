package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"cohort/bench"
)

// What a child process of these tests does, by this variable of its environment.
const childDoes = "COHORT_BENCH_TEST_CHILD"

type child struct {
	Cores int
	Args  []string
	bench.Usage
}

func TestMain(m *testing.M) {
	switch os.Getenv(childDoes) {
	case "":
		os.Exit(m.Run())
	case "report":
		usage, err := bench.Measure(func() error { return nil })
		if err != nil {
			panic(err)
		}
		_ = json.NewEncoder(os.Stdout).Encode(child{Cores: runtime.GOMAXPROCS(0), Args: os.Args[1:], Usage: usage})
	case "fail":
		fmt.Fprintln(os.Stderr, "cohort: the disk is full")
		os.Exit(2)
	case "babble":
		fmt.Println("not at all JSON")
	case "wait":
		time.Sleep(time.Minute)
	}
}

const block = 256 << 20

// filled is memory that is really there.
func filled() []byte {
	memory := make([]byte, block)
	for i := 0; i < len(memory); i += 512 {
		memory[i] = 1
	}
	return memory
}

func TestAChildHasItsOwnCoresArgumentsAndPeak(t *testing.T) {
	t.Setenv(childDoes, "report")
	memory := filled() // this process is larger than the child will ever be
	var got child
	if err := bench.Again(t.Context(), 1, &got, "one", "two"); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(memory)
	if got.Cores != 1 || fmt.Sprint(got.Args) != "[one two]" {
		t.Errorf("the child has %d cores and the arguments %v", got.Cores, got.Args)
	}
	if runtime.GOOS == "linux" && (got.Peak <= 0 || got.Peak >= block) {
		t.Errorf("the child's peak is %d bytes", got.Peak)
	}
}

func TestAPeakHoldsWhatTheWorkHad(t *testing.T) {
	usage, err := bench.Measure(func() error {
		runtime.KeepAlive(filled())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && usage.Peak < block {
		t.Errorf("the peak is %d bytes, and %d were in use", usage.Peak, block)
	}
	if usage.Seconds <= 0 || usage.CPU <= 0 {
		t.Errorf("the work took %+v", usage)
	}
}

func TestWorkThatFailsIsNotMeasured(t *testing.T) {
	if _, err := bench.Measure(func() error { return os.ErrClosed }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAChildThatFailsIsHeard(t *testing.T) {
	for does, words := range map[string]string{"fail": "the disk is full", "babble": "no result"} {
		t.Setenv(childDoes, does)
		if err := bench.Again(t.Context(), 1, &child{}); err == nil || !strings.Contains(err.Error(), words) || strings.HasPrefix(err.Error(), "cohort: ") {
			t.Errorf("%s: got %v", does, err)
		}
	}
}

func TestAChildEndsWithItsContext(t *testing.T) {
	t.Setenv(childDoes, "wait")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := bench.Again(ctx, 1, &child{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{4}, 4}, {[]float64{9, 1}, 5}, {[]float64{7, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := bench.Median(test.values); got != test.want {
			t.Errorf("the median of %v is %v, not %v", test.values, test.want, got)
		}
	}
	got := bench.MedianUsage([]bench.Usage{{Seconds: 1, CPU: 9, Peak: 5}, {Seconds: 2, CPU: 7, Peak: 4}, {Seconds: 3, CPU: 8, Peak: 6}})
	if want := (bench.Usage{Seconds: 2, CPU: 8, Peak: 5}); got != want {
		t.Errorf("got %+v, want each figure by itself: %+v", got, want)
	}
}

func TestTablesAreAligned(t *testing.T) {
	var b strings.Builder
	if err := bench.WriteTable(&b, []string{"reader", " s"}, [][]string{{"Zoë's", "1.25"}, {"another one", ""}}); err != nil {
		t.Fatal(err)
	}
	const want = `| reader      |    s |
| ----------- | ---: |
| Zoë's       | 1.25 |
| another one |      |
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
