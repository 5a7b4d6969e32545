package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"cohort/ingest/person"
)

// RunID names one run: one campaign, one cohort file, one service. Two runs with the same id are the same run.
type RunID [16]byte

// NewRunID derives the id of a run from the campaign's name, the cohort's SHA-256 and the service (campaign.ServiceID).
// A rehearsal against another service is another run.
func NewRunID(campaign string, cohort [32]byte, service string) RunID {
	h := sha256.New()
	for _, part := range []string{"cohort run 1", campaign, string(cohort[:]), service} {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return RunID(h.Sum(nil)[:16])
}

// NewFollowUpID derives the id of a follow-up from the first run of its chain, the rule, and the run that it would be
// otherwise. So it names the people due, with their values, and the same call with the same people is the same run.
func NewFollowUpID(root, rule string, otherwise RunID) RunID {
	return NewRunID("follow-up "+rule, sha256.Sum256(otherwise[:]), root)
}

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

// Reference is the name of a batch, a message or a file at a service. It is a UUID (version 8, RFC 9562), made from the
// run and a place in it. So a replay has the same one, and it reveals nobody.
type Reference [36]byte

func (r Reference) String() string { return string(r[:]) }

// References makes the references of a run. It is safe for concurrent use. A reference is the place in the run,
// encrypted as one block of AES under a key of the run, with the version and the variant of a UUID over six of its bits.
// Under plan versions 1 and 2 it is a SHA-256 of the run and the place. See decision 22.
type References struct {
	Run    RunID
	cipher cipher.Block // nil: plan version 1 or 2
}

// References returns the references of a run with a plan of version 3.
func (id RunID) References() References {
	key := sha256.Sum256(append([]byte("cohort references 1 "), id[:]...))
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err) // a key of 16 bytes is never refused
	}
	return References{id, block}
}

// OlderReferences returns the references of a run with a plan of version 1 or 2.
func (id RunID) OlderReferences() References { return References{Run: id} }

// Batch names one form of a batch: the batch's place in its lane, and the revision and part of the form. It does not
// depend on the contents: the service compares references, not bodies.
func (r References) Batch(lane person.Lane, batch uint32, revision, part uint16) Reference {
	b := uint64(batch)
	return r.reference(13, 'B'|uint64(lane)<<8|b<<40, b>>24|uint64(revision)<<8|uint64(part)<<24)
}

// Message names the message for one record of the cohort file.
func (r References) Message(row int64) Reference {
	return r.reference(9, 'M'|uint64(row)<<8, uint64(row)>>56)
}

// File names one of the files of a run, counted from 1.
func (r References) File(file uint32) Reference { return r.reference(5, 'F'|uint64(file)<<8, 0) }

// Invertible reports whether Row can find rows.
func (r References) Invertible() bool { return r.cipher != nil }

// Row returns the row of a message's reference; false for any other text, and under plan versions 1 and 2. The six lost
// bits are tried out. A strange UUID passes for a message of some row with a chance of 2^-58: one of 64 trials would
// have to give the kind and seven zeros.
func (r References) Row(text string) (row int64, ok bool) {
	low, high, ok := r.open(text, 'M', 1<<8)
	row = int64(low>>8 | high<<56)
	return row, ok && r.Message(row).String() == text
}

// Form returns what Batch was given for a reference; false for any other text, and under plan versions 1 and 2. A
// strange UUID passes with a chance of 2^-26, so the caller looks whether the run has such a form.
func (r References) Form(text string) (lane person.Lane, batch uint32, revision, part uint16, ok bool) {
	low, high, ok := r.open(text, 'B', 1<<40)
	lane, batch, revision, part = person.Lane(uint32(low>>8)), uint32(low>>40|high<<24), uint16(high>>8), uint16(high>>24)
	return lane, batch, revision, part, ok && r.Batch(lane, batch, revision, part).String() == text
}

// open returns the two halves of a place of a kind. The second half is below end.
func (r References) open(text string, kind byte, end uint64) (low, high uint64, ok bool) {
	block, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(block) != len(place{}) || !r.Invertible() {
		return 0, 0, false
	}
	at := places.Get().(*place)
	defer places.Put(at)
	for lost := range 64 {
		block[6], block[8] = block[6]&0x0F|byte(lost>>2)<<4, block[8]&0x3F|byte(lost)<<6
		r.cipher.Decrypt(at[:], block)
		low, high = binary.LittleEndian.Uint64(at[:]), binary.LittleEndian.Uint64(at[8:])
		if byte(low) == kind && high < end {
			return low, high, true
		}
	}
	return 0, 0, false
}

// place is a thing in a run: a byte for its kind, its numbers, and zeros. All is little endian.
type place [aes.BlockSize]byte

// places are for arguments of a cipher, which would be allocated each time: it is behind an interface.
var places = sync.Pool{New: func() any { return new(place) }}

// reference makes a reference of a place, as two halves. The place has n bytes without its zeros.
func (r References) reference(n int, low, high uint64) Reference {
	at := places.Get().(*place)
	defer places.Put(at)
	binary.LittleEndian.PutUint64(at[:], low)
	binary.LittleEndian.PutUint64(at[8:], high)
	if r.Invertible() {
		r.cipher.Encrypt(at[:], at[:])
		return newReference(at)
	}
	var b [len(r.Run) + len(at)]byte
	copy(b[copy(b[:], r.Run[:]):], at[:])
	digest := sha256.Sum256(b[:len(r.Run)+n])
	return newReference((*place)(digest[:]))
}

func newReference(u *place) (r Reference) {
	u[6] = u[6]&0x0F | 0x80 // version 8: made by the application
	u[8] = u[8]&0x3F | 0x80 // the variant of RFC 9562
	hex.Encode(r[0:], u[0:4])
	hex.Encode(r[9:], u[4:6])
	hex.Encode(r[14:], u[6:8])
	hex.Encode(r[19:], u[8:10])
	hex.Encode(r[24:], u[10:])
	r[8], r[13], r[18], r[23] = '-', '-', '-', '-'
	return r
}
