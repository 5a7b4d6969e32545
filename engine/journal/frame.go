package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	frameHeader = 17       // length 4, sum 4, seq 8, type 1
	maxFrame    = 16 << 20 // bytes, header included
	maxPayload  = maxFrame - frameHeader
)

// castagnoli is never written to: the table of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Type says what a record means. The meaning belongs to the caller; 0 is never valid.
type Type uint8

// Position is where a frame starts. The zero Position is nowhere.
type Position struct {
	Segment uint64 // the number of the segment, from 1
	Offset  int64  // bytes from the start of the file
}

// Record is one record of the log.
type Record struct {
	Seq     uint64 // 1 for the first record of the log, without gaps
	Type    Type
	Payload []byte // during a replay valid only until the callback returns
	At      Position
}

// checkRecord refuses what no frame can hold.
func checkRecord(t Type, payload []byte) error {
	if t == 0 {
		return ErrBadType
	}
	if len(payload) > maxPayload {
		return fmt.Errorf("%w: a payload of %d bytes, and %d are possible", ErrTooLarge, len(payload), maxPayload)
	}
	return nil
}

// appendFrame appends a frame without its sum and sequence number: both depend on where
// the frame will be written, which only the committer knows. See stamp.
func appendFrame(dst []byte, t Type, payload []byte) []byte {
	var head [frameHeader]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(len(payload)))
	head[16] = byte(t)
	dst = append(dst, head[:]...)
	return append(dst, payload...)
}

// stamp completes the frames in buf for the segment whose header sum is given,
// numbering them from seq on, and returns the sequence number that follows. It may be
// run again, for another segment and another number.
func stamp(buf []byte, headerSum uint32, seq uint64) uint64 {
	for len(buf) > 0 {
		n := frameSize(buf)
		binary.LittleEndian.PutUint64(buf[8:], seq)
		binary.LittleEndian.PutUint32(buf[4:], frameSum(headerSum, buf[:n]))
		buf = buf[n:]
		seq++
	}
	return seq
}

// frameSize returns the size that the frame's length field claims, header included.
func frameSize(frame []byte) int {
	return frameHeader + int(binary.LittleEndian.Uint32(frame))
}

// frameSum returns the sum of a whole frame.
func frameSum(headerSum uint32, frame []byte) uint32 {
	sum := crc32.Update(headerSum, castagnoli, frame[0:4])
	return crc32.Update(sum, castagnoli, frame[8:])
}

// frameSeq returns the frame's sequence number.
func frameSeq(frame []byte) uint64 { return binary.LittleEndian.Uint64(frame[8:]) }

// readFrame reads the frame at off, which must end at or before the window's limit, and
// checks everything but the sequence number. Where bad is not nil the bytes are no
// frame; where err is not nil they could not be read.
func readFrame(w *window, off int64, headerSum uint32) (frame []byte, bad, err error) {
	if w.limit-off < frameHeader {
		return nil, errShort, nil
	}
	head, err := w.bytes(off, frameHeader)
	if err != nil {
		return nil, nil, err
	}
	length := binary.LittleEndian.Uint32(head)
	if length > maxPayload || head[16] == 0 {
		return nil, errLength, nil
	}
	size := frameHeader + int(length)
	if w.limit-off < int64(size) {
		return nil, errShort, nil
	}
	if frame, err = w.bytes(off, size); err != nil {
		return nil, nil, err
	}
	if frameSum(headerSum, frame) != binary.LittleEndian.Uint32(frame[4:]) {
		return nil, errSum, nil
	}
	return frame, nil, nil
}

// record returns the frame as the record that it holds; the payload is not copied.
func record(frame []byte, at Position) Record {
	return Record{Seq: frameSeq(frame), Type: Type(frame[16]), Payload: frame[frameHeader:], At: at}
}
