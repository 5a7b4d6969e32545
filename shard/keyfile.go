package shard

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cohort/ingest/person"
)

// keyFile holds NHS numbers of one shard, each with a tag. It is temporary and never part of a
// spool. An entry is little endian:
//
//	 0        7     8          16
//	┌─────────┬─────┬───────────┐
//	│ number  │ tag │ order     │   order only in an ordered file
//	└─────────┴─────┴───────────┘
//
// An NHS number has ten digits and needs five of the seven bytes.
type keyFile struct {
	f       *os.File
	ordered bool
	buffer  []byte
	n       int
}

const keyBuffer = 16 << 10

func createKeyFile(dir, name string, ordered bool) (*keyFile, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &keyFile{f: f, ordered: ordered}, nil
}

func (k *keyFile) add(number uint64, tag byte, order int64) error {
	if k.buffer == nil {
		k.buffer = make([]byte, 0, keyBuffer)
	}
	k.buffer = binary.LittleEndian.AppendUint64(k.buffer, number|uint64(tag)<<56)
	if k.ordered {
		k.buffer = binary.LittleEndian.AppendUint64(k.buffer, uint64(order))
	}
	k.n++
	if len(k.buffer) == cap(k.buffer) {
		return k.flush()
	}
	return nil
}

func (k *keyFile) flush() error {
	_, err := k.f.Write(k.buffer)
	k.buffer = k.buffer[:0]
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// each yields every entry, in order, and ends the writing. order is 0 in an unordered file.
func (k *keyFile) each(yield func(i int, number uint64, tag byte, order int64)) error {
	if err := k.flush(); err != nil {
		return err
	}
	k.buffer = nil
	_, err := k.f.Seek(0, io.SeekStart)
	in := bufio.NewReaderSize(k.f, 64<<10)
	var b [16]byte
	entry := b[:8]
	if k.ordered {
		entry = b[:]
	}
	for i := 0; i < k.n && err == nil; i++ {
		if _, err = io.ReadFull(in, entry); err == nil {
			key := binary.LittleEndian.Uint64(b[:])
			yield(i, key&(1<<56-1), byte(key>>56), int64(binary.LittleEndian.Uint64(b[8:])))
		}
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func (k *keyFile) remove() {
	_ = k.f.Close()
	_ = os.Remove(k.f.Name())
}

// keyFiles are key files by shard.
type keyFiles []*keyFile

// createKeyFiles creates a key file for each shard. Those created before an error are returned
// too, and must be removed.
func createKeyFiles(dir, name string, shards int, ordered bool) (files keyFiles, err error) {
	for i := range shards {
		k, err := createKeyFile(dir, fmt.Sprintf("%s-%03d.tmp", name, i), ordered)
		if err != nil {
			return files, err
		}
		files = append(files, k)
	}
	return files, nil
}

// add adds an entry to the file of the number's shard.
func (f keyFiles) add(number uint64, tag byte, order int64) error {
	return f[Index(person.NHSNumber(number), len(f))].add(number, tag, order)
}

func (f keyFiles) remove() {
	for _, k := range f {
		k.remove()
	}
}
