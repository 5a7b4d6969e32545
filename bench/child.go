package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"cohort/fixtures"
)

// childWord begins the arguments of a child.
const childWord = "child"

// children are the calls of this program as another process: the material, the service and
// the peers. Each prints JSON.
var children = map[string]func(context.Context, []string) error{
	"make":    makeChild,
	"service": serveChild,
	"lines":   linesChild,
	"csv":     csvChild,
	"gunzip":  gunzipChild,
	"plain":   plainChild,
	"ready":   readyChild,
	"copy":    copyChild,
	"fsync":   fsyncChild,
	"sha256":  sha256Child,
}

func runChild(ctx context.Context, name string, args []string) error {
	f := children[name]
	if f == nil {
		return fmt.Errorf("there is no child %q", name)
	}
	return f(ctx, args)
}

// printResult writes what a child has to say.
func printResult(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// truth counts the contents of a cohort file.
type truth struct {
	Bytes    int64 `json:"bytes"`
	Records  int64 `json:"records"`
	Valid    int64 `json:"valid"`    // records with a valid NHS number
	Sendable int64 `json:"sendable"` // people
}

// makeChild makes a cohort file and, when asked, a gzip of it. Both are on disk when it ends.
func makeChild(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("make", flag.ContinueOnError)
	file := flags.String("file", "", "the cohort file")
	records := flags.Int("n", 0, "records")
	bad := flags.Float64("bad", 0, "the share of bad records")
	packed := flags.Bool("gzip", false, "make FILE.gz as well")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var t fixtures.Truth
	err := createFile(*file, func(w io.Writer) (err error) {
		t, err = fixtures.Cohort{People: *records, Bad: *bad, Seed: 1, Wide: true, Tame: true}.WriteCSV(w)
		return err
	})
	if err == nil && *packed {
		err = createFile(*file+".gz", func(w io.Writer) error {
			f, err := os.Open(*file)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			z := gzip.NewWriter(w)
			_, err = io.Copy(z, f)
			return errors.Join(err, z.Close())
		})
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(*file)
	if err != nil {
		return err
	}
	return printResult(truth{info.Size(), int64(t.Records), int64(t.Sendable + t.Duplicates), int64(t.Sendable)})
}

// createFile writes a new file and syncs it.
func createFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	return errors.Join(err, f.Sync(), f.Close())
}

// read counts the findings of one reader. A figure is 0 when the reader does not count it.
type read struct {
	Bytes   int64 `json:"bytes"`
	Records int64 `json:"records"`
	Valid   int64 `json:"valid"`
	People  int64 `json:"people"`
}

// linesChild counts line ends: the least that any reader of lines does.
func linesChild(_ context.Context, args []string) error {
	return withFile(args, func(f io.Reader) (found read, err error) {
		block := make([]byte, 256<<10)
		for {
			n, err := f.Read(block)
			found.Bytes += int64(n)
			found.Records += int64(bytes.Count(block[:n], []byte{'\n'}))
			if err == io.EOF {
				return found, nil
			}
			if err != nil {
				return found, err
			}
		}
	})
}

// gunzipChild unpacks a file with the library that cohort uses.
func gunzipChild(_ context.Context, args []string) error {
	return withFile(args, func(f io.Reader) (found read, err error) {
		z, err := gzip.NewReader(f)
		if err != nil {
			return found, err
		}
		found.Bytes, err = io.Copy(io.Discard, z)
		return found, err
	})
}

// csvChild is the usual loader: encoding/csv, the check digit of the NHS number in the first
// column, and with a second argument a map of the people.
func csvChild(_ context.Context, args []string) error {
	return withFile(args, func(f io.Reader) (found read, err error) {
		rows := csv.NewReader(f)
		rows.ReuseRecord = true
		people := map[uint64]struct{}{}
		if _, err := rows.Read(); err != nil { // the header
			return found, err
		}
		for {
			row, err := rows.Read()
			if err == io.EOF {
				found.People = int64(len(people))
				return found, nil
			}
			if err != nil {
				return found, err
			}
			found.Records++
			if n, ok := parseNumber(row[0]); ok {
				found.Valid++
				if len(args) > 1 {
					people[n] = struct{}{}
				}
			}
		}
	})
}

// withFile prints what a reader finds in the file that is the first argument.
func withFile(args []string, reader func(io.Reader) (read, error)) error {
	if len(args) == 0 {
		return errors.New("the first argument must be a file")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	found, err := reader(f)
	if err != nil {
		return err
	}
	return printResult(found)
}

// copyChild writes the bytes of files to a new file and calls fdatasync: the floor of whatever
// makes a file from others.
func copyChild(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("copy", flag.ContinueOnError)
	file := flags.String("file", "", "the file to make")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var found read
	err := createFile(*file, func(w io.Writer) error {
		for _, path := range flags.Args() {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			n, err := io.Copy(struct{ io.Writer }{w}, f) // in memory, as a program that looks at them
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			found.Bytes += n
		}
		return nil
	})
	return errors.Join(err, os.Remove(*file), printResult(found))
}

// written counts the writes of one process.
type written struct {
	Writes  int64   `json:"writes"`
	Seconds float64 `json:"seconds"`
}

// fsyncChild appends to a new file in pieces and calls fdatasync after each: the floor of
// every log.
func fsyncChild(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("fsync", flag.ContinueOnError)
	file := flags.String("file", "", "the file to make")
	size := flags.Int("size", 64, "bytes of a piece")
	pieces := flags.Int64("pieces", 0, "how many; 0: until the span is over")
	span := flags.Duration("span", time.Second, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := os.OpenFile(*file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	piece := make([]byte, *size)
	start := time.Now()
	var done written
	for *pieces > 0 && done.Writes < *pieces || *pieces == 0 && time.Since(start) < *span {
		if _, err := f.Write(piece); err != nil {
			return err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		done.Writes++
	}
	done.Seconds = time.Since(start).Seconds()
	return errors.Join(f.Close(), os.Remove(*file), printResult(done))
}

// sha256Child reads the files of a folder and takes their digest.
func sha256Child(_ context.Context, args []string) error {
	paths, err := filepath.Glob(filepath.Join(args[0], "*"))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	digest := sha256.New()
	var found read
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		n, err := io.Copy(digest, f)
		found.Bytes += n
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return printResult(found)
}
