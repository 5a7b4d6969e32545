package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver sqlite3
)

// together is how many rows one statement writes.
const together = 100

type sqliteStore struct {
	db   *sql.DB
	conn *sql.Conn
	one  *sql.Stmt
	many *sql.Stmt
	args []any
}

func openSQLite(folder string, durable bool) (_ store, err error) {
	level := "FULL"
	if !durable {
		level = "OFF"
	}
	pragmas := url.Values{"_journal_mode": {"WAL"}, "_synchronous": {level}, "_locking_mode": {"EXCLUSIVE"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(folder, "ledger.sqlite")+"?"+pragmas.Encode())
	if err != nil {
		return nil, err
	}
	s := &sqliteStore{db: db, args: make([]any, 0, 2*together)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	ctx := context.Background()
	if s.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	if _, err = s.conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS record (key INTEGER PRIMARY KEY, value BLOB NOT NULL)"); err != nil {
		return nil, err
	}
	if err = s.confirm(ctx, durable); err != nil {
		return nil, err
	}
	const end = " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
	if s.one, err = s.conn.PrepareContext(ctx, "INSERT INTO record VALUES (?, ?)"+end); err != nil {
		return nil, err
	}
	s.many, err = s.conn.PrepareContext(ctx, "INSERT INTO record VALUES (?, ?)"+strings.Repeat(", (?, ?)", together-1)+end)
	return s, err
}

// confirm asks SQLite whether it is set up as it was told to be.
func (s *sqliteStore) confirm(ctx context.Context, durable bool) error {
	var mode string
	var level int
	err := errors.Join(
		s.conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode),
		s.conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level))
	if err == nil && (mode != "wal" || durable && level != 2) {
		err = fmt.Errorf("SQLite has journal_mode=%s and synchronous=%d and was to have wal and 2; correct the way it is opened", mode, level)
	}
	return err
}

func (s *sqliteStore) put(records []record) (err error) {
	ctx := context.Background()
	if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for len(records) > 0 {
		n, statement := 1, s.one
		if len(records) >= together {
			n, statement = together, s.many
		}
		s.args = s.args[:0]
		for _, r := range records[:n] {
			s.args = append(s.args, r.key, r.value)
		}
		if _, err := statement.ExecContext(ctx, s.args...); err != nil {
			return err
		}
		records = records[n:]
	}
	_, err = s.conn.ExecContext(ctx, "COMMIT")
	return err
}

func (s *sqliteStore) each(fn func(int64, []byte) error) error {
	rows, err := s.conn.QueryContext(context.Background(), "SELECT key, value FROM record ORDER BY key")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var key int64
	var value sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&key, &value); err != nil {
			return err
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *sqliteStore) close() error {
	var errs []error
	for _, statement := range []*sql.Stmt{s.one, s.many} {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}
