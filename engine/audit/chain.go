package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cohort/engine/journal"
)

// BrokenError means that the journal is not as it was written.
type BrokenError struct {
	Record uint64 // the first record that is wrong or missing, from 1
	Why    string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("the audit journal was changed at record %d: %s", e.Record, e.Why)
}

// Read calls fn, unless it is nil, with every record and its number, and checks the chain. It returns the head. It
// writes nothing, and another process may append meanwhile. A missing folder is a journal without records. A journal
// that was changed or lacks records is a *BrokenError or an error of journal.Read. An error of fn is returned as it is.
func Read(dir string, fn func(n uint64, r Record) error) (Head, error) {
	c, err := begin(dir, 1) // the head first: what is appended meanwhile is behind it
	if err != nil {
		return Head{}, err
	}
	c.fn = fn
	last, err := volumes(dir)
	for volume := uint64(1); err == nil && volume <= last; volume++ {
		err = c.read(dir, volume)
	}
	return c.at, cmp.Or(err, c.whole())
}

// chain checks records in their order.
type chain struct {
	at    Head   // the last record; its SHA256 is empty at first, if the volumes before were not read
	noted []Head // what head.json says, and the one beside the journal
	fn    func(n uint64, r Record) error
}

// begin begins a chain at the first record of a volume.
func begin(dir string, volume uint64) (*chain, error) {
	c := &chain{at: Head{Records: (volume - 1) * perVolume}}
	if volume == 1 {
		c.at.SHA256 = strings.Repeat("0", 2*sha256.Size)
	}
	for _, path := range []string{filepath.Join(dir, headFile), besideFile(dir)} {
		var noted Head
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(text, &noted)
		}
		if err == nil && noted.Records == 0 {
			err = errors.New("it names no record")
		}
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: %w", path, err)
		}
		c.noted = append(c.noted, noted)
	}
	return c, nil
}

// take adds the next record.
func (c *chain) take(text []byte) (r Record, err error) {
	n := c.at.Records + 1
	if err := json.Unmarshal(text, &r); err != nil {
		return r, &BrokenError{n, "it cannot be read"}
	}
	if r.Previous != cmp.Or(c.at.SHA256, r.Previous) {
		return r, &BrokenError{n, "it does not follow from the record before it"}
	}
	sum := sha256.Sum256(text)
	c.at = Head{n, hex.EncodeToString(sum[:])}
	for _, noted := range c.noted {
		if n == noted.Records && c.at != noted {
			return r, &BrokenError{n, "it is not the record that " + headFile + " names"}
		}
	}
	return r, nil
}

// whole checks that no record is missing at the end.
func (c *chain) whole() error {
	for _, noted := range c.noted {
		if noted.Records > c.at.Records {
			why := fmt.Sprintf("it is missing, and %s knows of %d records", headFile, noted.Records)
			return &BrokenError{c.at.Records + 1, why}
		}
	}
	return nil
}

// record takes a record of a volume's log.
func (c *chain) record(r journal.Record) error {
	if r.Type != kind {
		return errors.New("a newer version of cohort wrote to the audit journal; read it with that version")
	}
	taken, err := c.take(r.Payload)
	if err == nil && c.fn != nil {
		err = c.fn(c.at.Records, taken)
	}
	return err
}

// read takes the records of a volume. There must be as many before it as volumes before it hold.
func (c *chain) read(dir string, volume uint64) error {
	if err := c.follows(volume); err != nil {
		return err
	}
	_, err := journal.Read(volumePath(dir, volume), volumeID(volume), journal.Options{}, c.record)
	return err
}

// replay is read for a volume that is opened next.
func (c *chain) replay(dir string, volume uint64) (*journal.Replayed, error) {
	if err := c.follows(volume); err != nil {
		return nil, err
	}
	return journal.Replay(volumePath(dir, volume), volumeID(volume), journal.Options{Reserve: -1}, c.record)
}

func (c *chain) follows(volume uint64) error {
	if before := (volume - 1) * perVolume; c.at.Records != before {
		why := fmt.Sprintf("it is missing, and the volume of record %d is there", before+1)
		return &BrokenError{c.at.Records + 1, why}
	}
	return nil
}

// volumes returns the number of the last volume; 0: there is none.
func volumes(dir string) (last uint64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 10, 63); err == nil && e.Name() == filepath.Base(volumePath(dir, n)) {
			last = max(last, n)
		}
	}
	return last, err
}

func volumePath(dir string, volume uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d", volume))
}

// volumeID is the id that the log of a volume has instead of a run's.
func volumeID(volume uint64) (id [16]byte) {
	binary.BigEndian.PutUint64(id[copy(id[:], "audit\x00\x00\x00"):], volume)
	return id
}
