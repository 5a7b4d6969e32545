package main

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

var bucketName = []byte("records")

type boltStore struct{ db *bolt.DB }

func openBolt(folder string, durable bool) (store, error) {
	db, err := bolt.Open(filepath.Join(folder, "ledger.bolt"), 0o600, &bolt.Options{
		Timeout: time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoSync: !durable,
	})
	if err != nil {
		return nil, err
	}
	return boltStore{db}, nil
}

func (s boltStore) put(records []record) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketName)
		if err != nil {
			return err
		}
		b.FillPercent = 0.9
		keys := make([]byte, 8*len(records)) // each must stay as it is until the end
		for i, r := range records {
			key := keys[8*i : 8*i+8]
			binary.BigEndian.PutUint64(key, uint64(r.key))
			if err := b.Put(key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s boltStore) each(fn func(int64, []byte) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketName)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error { return fn(int64(binary.BigEndian.Uint64(k)), v) })
	})
}

func (s boltStore) close() error { return errors.Join(s.db.Sync(), s.db.Close()) }
