package shard

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// keyFile holds NHS numbers, each with a byte of meaning, until a shard is judged.
// Nine bytes an entry, little endian. It is temporary and never part of a spool.
type keyFile struct {
	f   *os.File
	out *bufio.Writer
	n   int
}

func createKeyFile(dir, name string) (*keyFile, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &keyFile{f: f, out: bufio.NewWriterSize(f, 16<<10)}, nil
}

func (k *keyFile) add(key uint64, tag byte) error {
	var b [9]byte
	binary.LittleEndian.PutUint64(b[:], key)
	b[8] = tag
	k.n++
	if _, err := k.out.Write(b[:]); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// each gives back every entry in order.
func (k *keyFile) each(yield func(i int, key uint64, tag byte)) error {
	err := k.out.Flush()
	if err == nil {
		_, err = k.f.Seek(0, io.SeekStart)
	}
	in := bufio.NewReaderSize(k.f, 64<<10)
	var b [9]byte
	for i := 0; i < k.n && err == nil; i++ {
		if _, err = io.ReadFull(in, b[:]); err == nil {
			yield(i, binary.LittleEndian.Uint64(b[:]), b[8])
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
