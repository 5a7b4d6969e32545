// Package audit keeps a journal of what people look at and decide, for all runs of a register.
//
// The journal lies in the register's folder. Any process may append to it, whatever the state of a run: it holds a
// lock for the time of one record. A record is durable when Append returns.
//
//	REGISTER/audit/lock              the process that appends
//	REGISTER/audit/key               32 bytes as hexadecimal digits, mode 0600: the key of the pseudonyms
//	REGISTER/audit/head.json         how many records there are, and the SHA-256 of the last
//	REGISTER/audit-head.json         the same, written after it: shows that the folder or its end is gone
//	REGISTER/audit/0000000000000001  volumes of 500 records; each is a log of engine/journal
//
// A record is a JSON object. It has the SHA-256 of the record before it, over all volumes. So a record that was
// changed, moved or removed is found, and head.json shows that the last ones are missing. Whoever can write to the
// folder can make the whole chain again. Only a head that was noted elsewhere shows that.
//
// A crash leaves a record without its head, or a torn record that nobody was told of. The next Append goes on behind
// them. A record is written before the look-up that it is about shows anything.
//
// No record holds an NHS number: it has a pseudonym, an HMAC-SHA256 of the number. Only the key connects them.
package audit
