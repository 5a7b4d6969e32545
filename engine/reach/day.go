package reach

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/engine/disk"
)

const suffix = ".users"

// Day has a service's reports of one day in UTC: a folder with a file for each practice. Only
// Put is safe for concurrent use.
type Day struct {
	date, service string
	root, path    string
}

// Open returns the day of a time, with the reports of a service. root is the folder of all days. It need not exist yet.
func Open(root, service string, at time.Time) *Day {
	sum := sha256.Sum256([]byte(service))
	d := &Day{date: at.UTC().Format(time.DateOnly), service: service, root: root}
	d.path = filepath.Join(root, d.date, hex.EncodeToString(sum[:4]))
	return d
}

// Date is the day, as 2026-11-25.
func (d *Day) Date() string { return d.date }

func (d *Day) Make() error {
	for _, path := range []string{filepath.Dir(d.root), d.root, filepath.Dir(d.path), d.path} {
		if err := disk.MakeFolder(path); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes all other days, also those of a clock that was ahead.
func (d *Day) Sweep() error {
	entries, err := os.ReadDir(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err == nil && e.IsDir() && e.Name() != d.date {
			if err := os.RemoveAll(filepath.Join(d.root, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Day) Forget(codes []string) error {
	for _, code := range codes {
		if err := os.Remove(d.file(code)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// AnyReported reports whether the service had a report of any practice on the day.
func (d *Day) AnyReported() (bool, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, e := range entries {
		if code, whole := strings.CutSuffix(e.Name(), suffix); whole {
			if state, err := d.State(code); err != nil || state == Reported {
				return err == nil, err
			}
		}
	}
	return false, nil
}

func (d *Day) file(code string) string { return filepath.Join(d.path, code+suffix) }

func (d *Day) Has(code string) bool {
	_, err := os.Stat(d.file(code))
	return err == nil
}

// State returns the state of a practice on the day.
func (d *Day) State(code string) (State, error) {
	p, err := d.read(code, nil)
	return p.State, err
}

// Put writes the file of a practice. It is safe for concurrent use with different practices.
func (d *Day) Put(code string, state State, users []User) error {
	entries := pack(users)
	h := head{Version, d.date, d.service, []practice{{code, state, len(entries)}}}
	_, err := write(d.file(code), h, func(_ int, w io.Writer) error {
		return binary.Write(w, binary.LittleEndian, entries)
	})
	return err
}

// ErrNone means that no practice was asked about on the day.
var ErrNone = errors.New("no practice was asked about today")

// Fix writes all reports of the day to one file, for one reading of a cohort, and returns its
// digest. Without any report the error is ErrNone. The error for a damaged report names its file.
func (d *Day) Fix(path string) (digest string, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	h := head{Version: Version, Day: d.date, Service: d.service}
	for _, e := range entries { // in the order of names
		code, whole := strings.CutSuffix(e.Name(), suffix)
		if !whole {
			continue // an unfinished file
		}
		one, err := d.read(code, nil)
		if err != nil {
			return "", err
		}
		h.Practices = append(h.Practices, one)
	}
	if len(h.Practices) == 0 {
		return "", ErrNone
	}
	return write(path, h, func(i int, w io.Writer) error {
		one, err := d.read(h.Practices[i].Code, w)
		if err == nil && one != h.Practices[i] {
			err = fmt.Errorf("%s has changed meanwhile", d.file(one.Code))
		}
		return err
	})
}

// read reads the file of a practice, and copies its entries to w unless w is nil.
func (d *Day) read(code string, w io.Writer) (practice, error) {
	fail := func(err error) (practice, error) {
		return practice{}, fmt.Errorf("%s cannot be read: %w; remove it and fetch it again", d.file(code), err)
	}
	f, err := os.Open(d.file(code))
	if err != nil {
		return fail(err)
	}
	defer func() { _ = f.Close() }()
	h, start, _, err := check(f)
	if err != nil {
		return fail(err)
	}
	if len(h.Practices) != 1 || h.Practices[0].Code != code || h.Day != d.date || h.Service != d.service {
		return fail(errors.New("it belongs to another practice, day or service"))
	}
	if w != nil {
		if _, err := io.Copy(w, io.NewSectionReader(f, start, int64(h.Practices[0].Users)*entry)); err != nil {
			return fail(err)
		}
	}
	return h.Practices[0], nil
}

// Without lists the practices that were not asked about yet, sorted by code.
func (d *Day) Without(codes []string) (missing []string) {
	missing = slices.DeleteFunc(slices.Clone(codes), d.Has)
	slices.Sort(missing)
	return missing
}
