package audit

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/ingest/person"
)

// Version is the format of a record, and its type in the log. This program reads no other.
const Version = 1

const (
	lockFile = "lock"
	keyFile  = "key"
	headFile = "head.json"

	kind     = journal.Type(Version)
	patience = 10 * time.Second // for the lock
)

// perVolume is the number of records of a volume. An Append reads two volumes. Tests change it.
var perVolume uint64 = 500

// Folder returns the folder of the journal that belongs to a register.
func Folder(register string) string { return filepath.Join(register, "audit") }

// besideFile is a second head.json, in the folder of the register. It shows that a journal is gone, or its end with the
// first one.
func besideFile(dir string) string { return filepath.Clean(dir) + "-" + headFile }

// Record is one record of the journal.
type Record struct {
	Previous string    `json:"previous"` // SHA-256 of the record before it; 64 zeros in the first. Append fills it in
	At       time.Time `json:"at"`
	By       string    `json:"by"` // the user
	Host     string    `json:"host"`
	Command  string    `json:"command"`          // of cohort, without arguments
	Runs     []string  `json:"runs,omitempty"`   // ids of the runs that it is about
	Person   string    `json:"person,omitempty"` // a pseudonym
	Reason   string    `json:"reason,omitempty"` // in the words of the user
	Detail   string    `json:"detail,omitempty"`
}

// Head is the end of the journal.
type Head struct {
	Records uint64 `json:"records"`
	SHA256  string `json:"sha256"` // of the last record; 64 zeros without records
}

// Journal is a journal that is open for appending. Other processes wait for Close.
type Journal struct {
	dir  string
	key  []byte
	lock *disk.Lock
}

// ErrNoKey means that there are records and no key. A new key would give people other pseudonyms.
var ErrNoKey = errors.New("the key of the pseudonyms is missing; put it back from a backup")

// Open opens the journal in dir, and makes it if necessary; its parent must exist. doing is the command of cohort, for
// other processes to read. If another process holds the journal for ten seconds, the error is a *disk.HeldError.
func Open(dir, doing string) (*Journal, error) {
	if err := disk.MakeFolder(dir); err != nil {
		return nil, err
	}
	lock, err := disk.Acquire(filepath.Join(dir, lockFile), doing)
	for end := time.Now().Add(patience); errors.As(err, new(*disk.HeldError)) && time.Now().Before(end); {
		lock, err = disk.Acquire(filepath.Join(dir, lockFile), doing)
	}
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, lock: lock}
	if j.key, err = readKey(dir); errors.Is(err, fs.ErrNotExist) {
		j.key, err = makeKey(dir)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return j, nil
}

// Close lets other processes append.
func (j *Journal) Close() error { return j.lock.Release() }

func readKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, keyFile)
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("%s can be read by others; run chmod 600 on it", path)
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != sha256.Size {
		return nil, fmt.Errorf("%s is damaged: it must have 64 hexadecimal digits; put it back from a backup", path)
	}
	return key, nil
}

func makeKey(dir string) ([]byte, error) {
	if n, err := volumes(dir); err != nil || n > 0 {
		return nil, cmp.Or(err, ErrNoKey)
	}
	c, err := begin(dir, 1)
	if err == nil {
		err = c.whole() // the folder may have been there, and be gone
	}
	if err != nil {
		return nil, err
	}
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	return key, disk.WriteFile(filepath.Join(dir, keyFile), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, hex.EncodeToString(key))
		return err
	})
}

// Pseudonym returns the name of a person in the journal. It is always the same, and nobody can get the number from it
// without the key.
func (j *Journal) Pseudonym(n person.NHSNumber) string {
	mac := hmac.New(sha256.New, j.key)
	_, _ = mac.Write(n.AppendDigits([]byte("cohort audit 1 ")))
	return hex.EncodeToString(mac.Sum(nil))
}

// Append adds a record, and returns when it is durable. It fills in the hash of the record before. A journal that lacks
// records, or was changed, takes no more: the error is a *BrokenError. After any error the record may be there.
func (j *Journal) Append(r Record) (Head, error) {
	last, err := volumes(j.dir)
	if err != nil {
		return Head{}, err
	}
	last = max(last, 1)
	c, err := begin(j.dir, max(last, 2)-1) // a crash may have left the last one empty
	if err == nil && last > 1 {
		err = c.read(j.dir, last-1)
	}
	if err != nil {
		return Head{}, err
	}
	replayed, err := c.replay(j.dir, last)
	if err == nil && c.at.Records == last*perVolume {
		replayed, err = c.replay(j.dir, last+1)
	}
	if err == nil {
		err = c.whole()
	}
	if err != nil {
		return Head{}, err
	}
	r.Previous = c.at.SHA256
	text, err := json.Marshal(r)
	if err != nil {
		return Head{}, err
	}
	log, err := replayed.Open()
	if err != nil {
		return Head{}, err
	}
	if err := errors.Join(log.Commit(kind, text), log.Close()); err != nil {
		return Head{}, err
	}
	if _, err := c.take(text); err != nil {
		return Head{}, err
	}
	write := func(w io.Writer) error { return json.NewEncoder(w).Encode(c.at) }
	if err := disk.WriteFile(filepath.Join(j.dir, headFile), write); err != nil {
		return c.at, err
	}
	return c.at, disk.WriteFile(besideFile(j.dir), write)
}
