package main

import (
	"encoding/binary"
	"time"
)

// The states in the first byte of a value.
const (
	stateAttempted = 1
	stateAccepted  = 2
)

const (
	headBytes = 1 + 2 + 8 // state, number of the attempt, time
	idBytes   = 27        // of a message, as the service makes them
)

// record is one value under its key.
type record struct {
	key   int64
	value []byte
}

// head appends what every value begins with.
func head(dst []byte, state byte) []byte {
	dst = append(dst, state)
	dst = binary.BigEndian.AppendUint16(dst, 1)
	return binary.BigEndian.AppendUint64(dst, uint64(time.Now().UnixMilli()))
}

// attempted appends the records that say that the messages from first on are about to be
// sent in one batch.
func (t task) attempted(dst []record, first int64, messages int) []record {
	if t.layout == "batches" {
		var correlation [16]byte
		return append(dst, record{2 * (first / int64(t.group)), append(head(nil, stateAttempted), correlation[:]...)})
	}
	value := head(nil, stateAttempted)
	for i := range messages {
		dst = append(dst, record{first + int64(i), value})
	}
	return dst
}

// outcomes appends the records that say that they were accepted, with their ids.
func (t task) outcomes(dst []record, first int64, messages int) []record {
	if t.layout == "batches" {
		value := head(make([]byte, 0, headBytes+messages*idBytes), stateAccepted)
		for i := range messages {
			value = appendID(value, first+int64(i))
		}
		return append(dst, record{2*(first/int64(t.group)) + 1, value})
	}
	stamp := head(nil, stateAccepted)
	values := make([]byte, 0, messages*(headBytes+idBytes))
	for i := range messages {
		at := len(values)
		values = appendID(append(values, stamp...), first+int64(i))
		dst = append(dst, record{first + int64(i), values[at:len(values):len(values)]})
	}
	return dst
}

// appendID appends an id of 27 letters.
func appendID(dst []byte, n int64) []byte {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	dst = append(dst, "2wKxQ7hTzLr0aBcDe"...)
	for range idBytes - 17 {
		dst = append(dst, alphabet[n%62])
		n /= 62
	}
	return dst
}
