// Package shard decides in which shard a person lives, and keeps the records of a
// cohort there: sealed Arrow IPC files, one a shard, compressed, under a manifest.
//
// A spool is a folder:
//
//	manifest.json    written last: a folder without it is half made and worth nothing
//	shard-000.arrow  the sendable records of shard 0 in file order: row, file, line, number, reference, fields
//	...
//	invalid.arrow    the records that cannot be sent, in file order: row, file, line, found, code, reason, reference
//	verdicts.arrow   one record batch a shard, one byte a record of it: 0 may be sent to,
//	                 1 duplicate, 2 and up suppressed for the manifest's reason of that number less 2
//	superseded.arrow which numbers were superseded, where the cohort says so: old, current
//	routes.arrow     as verdicts.arrow, where the campaign has several routes: that of each record
//
// The records are written while the cohort file is read, before it is known which of
// them are duplicates; the verdicts are made afterwards, shard by shard. So memory
// holds a few thousand records of each shard and the numbers of a few shards, however
// large the cohort:
//
//	            ┌─ worker 0 ─ gather ─ compress ─ digest ─→ shard-000, -002, …
//	read, deal ─┤                                                             ─→ judge ─→ seal
//	            └─ worker 1 ─ gather ─ compress ─ digest ─→ shard-001, -003, …
//
// A shard has a lane for each route: those of its records that go by it. To the engine the
// lanes are the shards, since a batch goes by one route; where there is one they are the same.
//
// This package is where Arrow stops: what leaves it are person.Recipient and Record.
package shard
