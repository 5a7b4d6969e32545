package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"cohort/ingest/person"
)

// RunID names one run: one campaign, one cohort file, one service. Two runs with the
// same id are the same run.
type RunID [16]byte

// NewRunID derives the id of a run from the campaign's name, the cohort's SHA-256 and the service (campaign.ServiceID).
// A rehearsal against another service is another run.
func NewRunID(campaign string, cohort [32]byte, service string) RunID {
	h := sha256.New()
	for _, part := range []string{"cohort run 1", campaign, string(cohort[:]), service} {
		var length [8]byte
		binary.LittleEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return RunID(h.Sum(nil)[:16])
}

// String returns the id in hexadecimal.
func (id RunID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first eight digits, for people and the names of folders.
func (id RunID) Short() string { return hex.EncodeToString(id[:4]) }

// ParseRunID reads what String wrote.
func ParseRunID(text string) (RunID, error) {
	var id RunID
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("a run id has 32 hexadecimal digits")
	}
	return RunID(raw), nil
}

// Reference is the name of a batch, a message or a file at a service. It is a UUID (version 8, RFC 9562), derived by
// SHA-256 from the run and a place in it. So a replay has the same one, and it reveals nobody.
type Reference [36]byte

// String returns the UUID in its usual form.
func (r Reference) String() string { return string(r[:]) }

// BatchReference names one form of a batch: the batch's place in its lane, and the revision and part of the form. It
// does not depend on the contents: the service compares references, not bodies.
func (id RunID) BatchReference(lane person.Lane, batch uint32, revision, part uint16) Reference {
	var b [29]byte
	copy(b[:], id[:])
	b[16] = 'B'
	binary.LittleEndian.PutUint32(b[17:], uint32(lane))
	binary.LittleEndian.PutUint32(b[21:], batch)
	binary.LittleEndian.PutUint16(b[25:], revision)
	binary.LittleEndian.PutUint16(b[27:], part)
	return newReference(sha256.Sum256(b[:]))
}

// MessageReference names the message for one record of the cohort file.
func (id RunID) MessageReference(row int64) Reference {
	var b [25]byte
	copy(b[:], id[:])
	b[16] = 'M'
	binary.LittleEndian.PutUint64(b[17:], uint64(row))
	return newReference(sha256.Sum256(b[:]))
}

// FileReference names one of the files of a run, counted from 1.
func (id RunID) FileReference(file uint32) Reference {
	var b [21]byte
	copy(b[:], id[:])
	b[16] = 'F'
	binary.LittleEndian.PutUint32(b[17:], file)
	return newReference(sha256.Sum256(b[:]))
}

func newReference(digest [32]byte) Reference {
	u := digest[:16]
	u[6] = u[6]&0x0F | 0x80 // version 8: made by the application
	u[8] = u[8]&0x3F | 0x80 // the variant of RFC 9562
	var r Reference
	at := 0
	for i, b := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			r[at] = '-'
			at++
		}
		r[at], r[at+1] = hexDigits[b>>4], hexDigits[b&0xF]
		at += 2
	}
	return r
}
