// Ledgers does with bbolt and SQLite the durable work that the progress log does for a
// run: before a batch is sent its intent is made durable, and then its outcome with the
// id of every message. It prints what that took as JSON and is called by cohort bench log.
//
// It is a module of its own, so that the product does not depend on any database.
//
// Two layouts are measured. "rows" is what is usual with a database: a row a message,
// written once as an intent and once more as an outcome. "batches" is the progress log's
// own layout: two records a batch, the second of which holds all ids.
//
// Both engines are set up as fast as they go without giving up durability: bbolt with
// keys in order, pages filled to 90 % and no list of free pages on disk; SQLite (cgo) in
// WAL mode with synchronous=FULL, locked by one connection, a hundred rows a statement.
package main
