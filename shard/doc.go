// Package shard keeps the records of a cohort by shard: sealed Arrow IPC files, one for
// each shard, and a manifest. A hash of the NHS number decides a person's shard.
//
// A spool is a folder:
//
//	manifest.json    written last: a folder without it is incomplete
//	shard-000.arrow  the sendable records of shard 0 in file order: row, file, line, number, reference, fields
//	...
//	invalid.arrow    the records that cannot be sent, in file order: row, file, line, found, code, reason, reference
//	verdicts.arrow   one record batch for each shard, one byte for each record: 0 may be sent to,
//	                 1 duplicate, 2+r suppressed for the r-th of the manifest's reasons
//	superseded.arrow the superseded numbers, if the cohort has any: old, current
//	routes.arrow     like verdicts.arrow, if the campaign has several routes: the route of each record
//
// The records are written while the cohort file is read, before the duplicates are known. The
// verdicts are made afterwards, shard by shard. So memory holds a few thousand records of each
// shard, and the numbers of a few shards, for a cohort of any size:
//
//	             ┌─ worker 0 ─ gather ─ digest ─→ shard-000, -002, …
//	read, slice ─┤                                                  ─→ judge ─→ seal
//	             └─ worker 1 ─ gather ─ digest ─→ shard-001, -003, …
//
// A shard has a lane for each route: its records with that route. To the engine the lanes are
// the shards, because a batch goes by one route. With one route, lanes and shards are the same.
//
// Arrow stops here: this package hands out person.Recipient and person.Record.
package shard
