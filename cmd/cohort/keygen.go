package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"cohort/engine/refusal"
	"cohort/sinks/apim"
)

// made has the files that keygen wrote.
type made struct{ private, jwks, thumbprint string }

// keygen makes a key pair and writes it to a folder. After a failure only the folder stays.
func keygen(keyID, dir string) (made, error) {
	if !apim.IsKeyID(keyID) {
		return made{}, refusal.New("key_id_wrong", "key_id", keyID)
	}
	m := made{private: filepath.Join(dir, keyID+".pem"), jwks: filepath.Join(dir, keyID+".jwks.json")}
	for _, path := range []string{m.private, m.jwks} { // before the work of making a key
		if _, err := os.Lstat(path); err == nil {
			return made{}, refusal.New("key_exists", "file", path)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return made{}, refusal.New("key_folder_unmakeable", "cause", err)
	}
	pair, err := apim.NewKeyPair(keyID)
	if err != nil {
		return made{}, err
	}
	if err := create(m.private, pair.Private, 0o600); err != nil {
		return made{}, err
	}
	if err := create(m.jwks, pair.JWKS, 0o644); err != nil {
		_ = os.Remove(m.private)
		return made{}, err
	}
	m.thumbprint = apim.Thumbprint(pair.Public)
	return m, nil
}

// create writes a new file, and syncs it.
func create(path string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return refusal.New("key_exists", "file", path)
	}
	if err != nil {
		return refusal.New("key_not_created", "cause", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
		return refusal.New("key_unwritable", "cause", err)
	}
	return nil
}
