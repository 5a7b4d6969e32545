package simulator

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// ksuids yields the ids of one accepted request, its own first and then its
// messages' in the order they were sent. The same seed, key and time yield the
// same ids, so the ledger need not keep them.
type ksuids struct {
	second uint32
	random *rand.PCG
}

func newKSUIDs(seed uint64, key string, at time.Time) ksuids {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return ksuids{second: ksuidSecond(at), random: rand.NewPCG(seed, h.Sum64())}
}

// ksuidSecond is the second that an id begins with.
func ksuidSecond(at time.Time) uint32 { return uint32(at.Unix() - 1_400_000_000) }

// wordsOf reads an id: the second that it begins with, and what was drawn.
func wordsOf(id string) (words [5]uint32, ok bool) {
	if len(id) != 27 {
		return words, false
	}
	for i := range id {
		carry := uint64(strings.IndexByte(base62, id[i]))
		if carry >= 62 { // not one of them: -1
			return words, false
		}
		for w := len(words) - 1; w >= 0; w-- {
			carry += uint64(words[w]) * 62
			words[w] = uint32(carry)
			carry >>= 32
		}
		if carry > 0 {
			return words, false
		}
	}
	return words, true
}

// index is which of the next n ids has these words.
func (k ksuids) index(words [5]uint32, n int) (int, bool) {
	first, second := uint64(words[1])<<32|uint64(words[2]), uint64(words[3])<<32|uint64(words[4])
	for i := range n {
		if a, b := k.random.Uint64(), k.random.Uint64(); a == first && b == second {
			return i, true
		}
	}
	return 0, false
}

func (k ksuids) skip() { k.random.Uint64(); k.random.Uint64() }

func (k ksuids) next() string {
	var payload [16]byte
	binary.BigEndian.PutUint64(payload[:8], k.random.Uint64())
	binary.BigEndian.PutUint64(payload[8:], k.random.Uint64())
	words := [5]uint32{k.second}
	for i := range 4 {
		words[i+1] = binary.BigEndian.Uint32(payload[i*4:])
	}
	var out [27]byte
	for i := len(out) - 1; i >= 0; i-- {
		rest := uint64(0)
		for w := range words {
			rest = rest<<32 | uint64(words[w])
			words[w] = uint32(rest / 62)
			rest %= 62
		}
		out[i] = base62[rest]
	}
	return string(out[:])
}

// messageID is the gateway's own id of a request.
func (d *dice) messageID() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("rrt-%019d-c-geu2-%d-%d-1", d.names.Int64(), d.names.IntN(1_000_000), d.names.IntN(10_000_000))
}

// accessToken is a fresh bearer token.
func (d *dice) accessToken() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out [28]byte
	for i := range out {
		out[i] = base62[d.names.IntN(62)]
	}
	return string(out[:])
}

// applicationID is the id of the application that an API key belongs to.
func applicationID(apiKey string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("application:"+apiKey)).String()
}
