// Package journal keeps the bytes of the progress log: frames, checksums, group
// commit, segments and replay. It knows no meaning: a record is a type byte and a
// payload. A record that was acknowledged is never lost, and no record is invented.
//
// # Files
//
// A log is a directory, which one process at a time may write to (the caller
// sees to that by a lock):
//
//	0000000000000001.log   segments; the numbers start at 1 and have no gaps
//	0000000000000002.log
//	0000000000000003.tmp   a header on its way to becoming a segment; after a crash, litter
//	reserve                disk space to give up when the disk is full
//
// # Format
//
// Every integer is little endian. A segment is one header and then frames, end to end:
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
//	version     1. The 92 bytes of the header and what its sum covers are the same in
//	            every version, so that a program can name a version newer than itself.
//	flags       0
//	sum         of the header: CRC-32C of its 92 bytes but the four of the sum
//	run id      the run that the log belongs to
//	number      the segment's number, as in its file name
//	first seq   the sequence number of the first frame, whether or not it was written yet
//	prev end    the sealed end of the segment before: its length in bytes up to the end
//	            of its last record; 0 in segment 1
//	prev chain  SHA-256 of those bytes; zeros in segment 1
//	key id      0: the frames are not encrypted
//	type        the caller's; never 0, so that a frame never begins with a zero
//	length      of the payload in bytes; a frame is at most 16 MiB
//	seq         1 for the log's first record, and one more for each that follows
//	back        how many frames of its group stand before it; 0 begins a group
//	sum         of a frame: CRC-32C of header sum | type | length | seq | back | payload
//
// The frame's sum covers two things beyond the record itself. The length, so that
// every byte of a frame counts: a flipped length both moves the end of what is summed
// and changes the sum. And the sum of the segment's own header, so that a frame
// left over on a recycled disk block, from another segment or from another run, is
// no valid frame here, however plausible its sequence number.
//
// The chain needs no running value: a segment's hash covers its header, and its header
// holds the hash of the segment before. It is SHA-256 over every byte, because that is
// what lets nothing through (a sum of 32 bits would, once in four thousand million), and
// because it costs little: with the processor's SHA instructions some 0.7 ns a byte,
// 43 ns for the 62 bytes of a message, spent after the group has been acknowledged.
//
// # Sealing, and torn tails
//
// A segment is never written to again by a later process, and never truncated. Open
// reads the whole log, then starts a segment whose header seals the one before: its end
// and its chain. From then on the sealed end is a fact on disk. Within it every byte must
// be valid, or the log is refused with a CorruptError; bytes beyond it are ignored.
//
// Only the last segment is unsealed. Where its valid frames stop, the rest is either a
// torn tail, what a power cut left of a group that nobody was told is durable, or
// damage to records that somebody was. It is judged by the valid frames that stand
// anywhere later in the file:
//
//   - There are none: a torn tail.
//   - One is of a later group than the first frame missing: damage. A group is written
//     only when the one before it has been synced, so the missing frame was durable, and
//     may have been acknowledged. Every frame says by its number and its back where
//     its group began, so that any one frame that is left of a later group tells.
//   - All are of the group of the missing frame, and before the first of them a sector of
//     512 bytes is all zeros (its rest is, where the missing frame would begin in it):
//     a torn tail. Frames of one group prove nothing about each other, since
//     a disk may write its sectors in any order before the sync. A sector that was
//     never written reads as zeros.
//   - All are of that group and no such sector is missing: damage. No power cut leaves
//     that; a flipped bit in the last group does, which may have been acknowledged.
//
// A torn tail loses nothing that was acknowledged, since a group is acknowledged as a
// whole and after its sync. Where a filesystem shows old bytes in sectors that were never
// written, a torn group may be refused as damage: a person has to look, and nothing is
// lost.
//
// What no log of one copy can tell: a damaged last record of an unsealed segment from a
// torn one, a truncation from an end, and a last group that lost whole sectors after it
// was acknowledged from one that lost them before. A sector of zeros within a payload
// looks like a lost one, if its record is damaged and in the last group. The next Open
// seals the segment, and from then on every byte counts.
//
// # Order of operations
//
//	new segment    create number.tmp, write the header, sync it, rename it (never onto an
//	               existing file), sync the directory; only then write frames
//	group          write once, sync once, acknowledge
//	open           make the directory and sync its parent; sync the last segment and drop
//	               its cached pages; read; sync the directory; make the reserve; new segment
//
// Open syncs the last segment because the process before may have died with records in
// the page cache: a seal over bytes that a power cut can still take would make the log
// unreadable. It drops the cached pages because after a failed write-back they
// look clean and are on no disk.
//
// # Failure
//
// The first failed operation poisons the log: nothing more is written and every call
// returns an error that wraps ErrPoisoned. Only a full disk is different, once: the
// reserve is removed, the group is written again into a new segment that seals the one
// before at its last durable end, and the log is full. Records given to Commit are
// refused with ErrFull from then on, those of the failing group included; records given
// to Append are still taken while the room of the reserve lasts. After that: poison.
//
// If the process dies before that new segment is durable, a replay may find records of
// the failing group in the old one, some of which Commit refused. That is harmless, an
// intent that was logged and never acted upon, and it is the only way for a
// record to be there that its caller was told is not.
package journal
