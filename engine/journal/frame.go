package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	frameHeader = 17       // type 1, length 3, sum 4, seq 6, back 3
	maxFrame    = 16 << 20 // bytes, header included
	maxPayload  = maxFrame - frameHeader
	maxSeq      = 1<<48 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Type is the kind of a record. The caller defines the kinds; 0 is never valid.
type Type uint8

// Position is the start of a frame. The zero Position is not one.
type Position struct {
	Segment uint64 // the number of the segment, from 1
	Offset  int64  // bytes from the start of the file
}

type Record struct {
	Seq     uint64 // 1 for the first record of the log, without gaps
	Type    Type
	Payload []byte // in a replay it is valid only until the callback returns
	At      Position
}

// Size is the number of bytes that the record takes in a segment.
func (r Record) Size() int64 { return frameHeader + int64(len(r.Payload)) }

// checkRecord refuses a record that does not fit in a frame.
func checkRecord(t Type, payload []byte) error {
	if t == 0 {
		return ErrBadType
	}
	if len(payload) > maxPayload {
		return fmt.Errorf("%w: the payload has %d bytes, and at most %d are possible", ErrTooLarge, len(payload), maxPayload)
	}
	return nil
}

// appendFrame appends a frame with its type, length and payload. The other fields depend on
// the place and the group of the frame: the committer fills them in. See stamp.
func appendFrame(dst []byte, t Type, payload []byte) []byte {
	var head [frameHeader]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(len(payload))<<8|uint32(t))
	dst = append(dst, head[:]...)
	return append(dst, payload...)
}

// stamp completes the frames of one group in buf, for a segment with the given header sum. It numbers them from seq on
// and returns the next sequence number. It may run again for another segment, another number or a smaller group.
func stamp(buf []byte, headerSum uint32, seq uint64) uint64 {
	for back := uint32(0); len(buf) > 0; back++ {
		n := frameSize(buf)
		// Six bytes of the number and three of back, the low two of back in the same word.
		binary.LittleEndian.PutUint64(buf[8:], seq&maxSeq|uint64(back)<<48)
		buf[16] = byte(back >> 16)
		binary.LittleEndian.PutUint32(buf[4:], frameSum(headerSum, buf[:n]))
		buf = buf[n:]
		seq++
	}
	return seq
}

// frameSize returns the size according to the length field, header included.
func frameSize(frame []byte) int {
	return frameHeader + int(binary.LittleEndian.Uint32(frame)>>8)
}

func frameSum(headerSum uint32, frame []byte) uint32 {
	sum := crc32.Update(headerSum, castagnoli, frame[0:4])
	return crc32.Update(sum, castagnoli, frame[8:])
}

func frameSeq(frame []byte) uint64 { return binary.LittleEndian.Uint64(frame[8:]) & maxSeq }

// frameBack returns the number of earlier frames in the frame's group.
func frameBack(frame []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(frame[13:]) >> 8)
}

// readFrame reads the frame at off, which must end at or before the window's limit. It checks everything but the
// sequence number. bad means that the bytes are not a frame, and err that they could not be read.
func readFrame(w *window, off int64, headerSum uint32) (frame []byte, bad, err error) {
	if w.limit-off < frameHeader {
		return nil, errShort, nil
	}
	head, err := w.bytes(off, frameHeader)
	if err != nil {
		return nil, nil, err
	}
	size := frameSize(head)
	if size > maxFrame || head[0] == 0 {
		return nil, errLength, nil
	}
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

// record returns the record of a frame. It does not copy the payload.
func record(frame []byte, at Position) Record {
	return Record{Seq: frameSeq(frame), Type: Type(frame[0]), Payload: frame[frameHeader:], At: at}
}
