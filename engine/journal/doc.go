// Package journal keeps the bytes of the progress log: frames, checksums, group commit, segments and replay. To this
// package a record is a type byte and a payload. An acknowledged record is never lost, and no record is invented.
//
// # Files
//
// A log is a directory. One process at a time may write to it; the caller holds a lock:
//
//	0000000000000001.log   segments; the numbers start at 1 and have no gaps
//	0000000000000002.log
//	0000000000000003.tmp   a segment that is being created; a crash leaves it behind
//	reserve                disk space that is released when the disk is full
//
// # Format
//
// Integers are little endian. A segment is a header, followed by frames without gaps:
//
//	 0      8      10      12     16      32      40         48        56          88      92
//	 | magic | version | flags | sum | run id | number | first seq | prev end | prev chain | key id | frame | frame | ...
//	    8        2         2      4      16       8          8          8           32         4
//
//	 0      1        4     8     14     17
//	 | type | length | sum | seq | back | payload ...
//	    1       3       4     6     3     length
//
//	magic       "cohortlg"
//	version     1. The size of the header and the range of its sum are the same in every
//	            version, so that a program can name a version newer than itself.
//	flags       0
//	sum         of the header: CRC-32C of its 92 bytes without the four of the sum
//	run id      the run that the log belongs to
//	number      the segment's number, as in its file name
//	first seq   the sequence number of the first frame, even before it is written
//	prev end    the sealed end of the previous segment: its length in bytes up to the end
//	            of its last record; 0 in segment 1
//	prev chain  SHA-256 of those bytes; zeros in segment 1
//	key id      0: the frames are not encrypted
//	type        set by the caller; never 0, so that a frame never begins with a zero
//	length      of the payload in bytes; a frame is at most 16 MiB
//	seq         1 for the first record of the log, 2 for the next, and so on
//	back        the number of earlier frames in the same group; 0 begins a group
//	sum         of a frame: CRC-32C of header sum | type | length | seq | back | payload
//
// The sum of a frame covers more than the record. It covers the length, so that every
// byte of a frame counts. It covers the sum of the segment's header, so that an old frame
// on a recycled disk block is invalid here, also with a plausible number.
//
// The chain needs no running value: a segment's hash covers its header, and the header has the hash of the previous
// segment. SHA-256 finds every change; a sum of 32 bits misses one in four thousand million. It costs about 0.7 ns a
// byte with the processor's SHA instructions, or 43 ns for the 62 bytes of a message, after the acknowledgement.
//
// # Sealing, and torn tails
//
// A later process never writes to an existing segment and never truncates it. Open reads the whole log, then starts a
// new segment. The new header seals the previous segment: it has its end and its chain. Every byte before a sealed end
// must be valid, or the log is refused with a CorruptError. Bytes beyond it are ignored.
//
// Only the last segment is unsealed. The bytes beyond its valid frames are a torn tail or damage. A torn tail is the
// rest of a group that a power cut interrupted before it was acknowledged. Damage may affect acknowledged records. The
// valid frames that are found later in the file decide:
//
//   - There are none: a torn tail.
//   - One belongs to a later group than the first missing frame: damage. A group is written
//     only after the previous group was synced, so the missing frame was durable and perhaps
//     acknowledged. The seq and back of one frame are enough to tell where its group began.
//   - All belong to the group of the missing frame, and a sector of 512 bytes before the
//     first of them is all zeros: a torn tail. (In the sector of the missing frame, the bytes
//     from that frame on count.) A disk may write the sectors of a group in any order before
//     the sync, and a sector that was never written reads as zeros.
//   - All belong to that group and no such sector is missing: damage. A power cut cannot
//     cause this, but a flipped bit in an acknowledged last group can.
//
// A torn tail loses no acknowledged record: a group is acknowledged as a whole, after its
// sync. Some filesystems show old bytes in sectors that were never written. There a torn
// group may be refused as damage: a person has to look, and nothing is lost.
//
// A log with one copy cannot distinguish three cases in an unsealed segment: a damaged last record and a torn one; a
// truncated file and a shorter log; a last group that lost sectors after its acknowledgement and one that lost them
// before. Zeros in the payload of a damaged record in the last group look like a lost sector. The next Open seals the
// segment, and from then on every byte counts.
//
// # Order of operations
//
//	new segment    create number.tmp, write the header, sync it, rename it (never onto an
//	               existing file), sync the directory; only then write frames
//	group          write once, sync once, acknowledge
//	replay         sync the last segment and drop its cached pages; read
//	open           make the directory and sync its parent; sync the directory; make the
//	               reserve; new segment
//
// Replay syncs the last segment because the previous process may have died with records in the page cache. If a power
// cut took bytes that are already sealed, the log would be unreadable. Replay drops the cached pages because after a
// failed write-back they look clean, but no disk has them.
//
// # Failure
//
// The first failed operation poisons the log: nothing more is written, and every call returns an error that wraps
// ErrPoisoned. The first full disk is an exception. The log removes the reserve and writes the group again, into a new
// segment that seals the previous one at its last durable end. From then on the log is full: Commit refuses records
// with ErrFull, also those of the failing group. Append still takes records while the room of the reserve lasts. The
// next failure poisons the log.
//
// If the process dies before that new segment is durable, a replay may find records of the
// failing group in the old segment, including some that Commit refused. This is the only way
// for a refused record to be in the log. It is harmless: an intent without an action.
package journal
