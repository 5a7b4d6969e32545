package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"cohort/engine"
)

// one is one message of a 201.
type one struct {
	Reference string `json:"messageReference"`
	ID        string `json:"id"`
}

// idOf makes the id of a message.
func idOf(i int) string { return fmt.Sprintf("2WL3qFTEFM0qMY8xjRbt1%06d", i) }

// created is the body of a 201.
func created(batch string, list []one) []byte {
	text, err := json.Marshal(map[string]any{"data": map[string]any{
		"type": "MessageBatch", "id": "2WL5qbEa7TzSWZXU2IAOCCrLXVL",
		"attributes": map[string]any{"messageBatchReference": batch, "routingPlan": map[string]string{"id": plan, "version": "v", "name": "n", "createdDate": "2023-11-17T14:27:51.413Z"}, "messages": list},
	}})
	if err != nil {
		panic(err)
	}
	return text
}

// listed answers for every message of a request, in its order.
func listed(r *engine.Request) []one {
	var list []one
	for i, m := range r.Messages {
		list = append(list, one{m.String(), idOf(i)})
	}
	return list
}

func isAccepted(t *testing.T, sentence string, a engine.Answer, r *engine.Request) {
	t.Helper()
	if a.Reply != engine.Accepted || a.Status != 201 || len(a.IDs) != len(r.Messages) || a.Halt != "" {
		t.Errorf("%s: %+v", sentence, a)
		return
	}
	for i, id := range a.IDs {
		if id != idOf(i) {
			t.Errorf("%s: message %d has id %s", sentence, i, id)
		}
	}
}

func inDoubt(t *testing.T, sentence string, a engine.Answer) {
	t.Helper()
	if a.Reply != engine.Unknown || a.Status != 201 || a.Code != "unreadable_201" || a.IDs != nil || a.Halt != "" || a.HoldAll {
		t.Errorf("%s: %+v", sentence, a)
	}
}

func TestIDsAreJoinedByReference(t *testing.T) {
	s := sinkTo(t, nil)
	r := request(s, 1, 1, 200)
	isAccepted(t, "in order", accepted(r, created(r.Reference.String(), listed(r))), r)
	for range 20 {
		list := listed(r)
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		isAccepted(t, "shuffled", accepted(r, created(r.Reference.String(), list)), r)
	}
	body := created(r.Reference.String(), listed(r))
	a := accepted(r, body)
	clear(body)
	isAccepted(t, "when the body's memory is used again", a, r)
}

func TestA201ThatContradictsTheRequestIsInDoubt(t *testing.T) {
	s := sinkTo(t, nil)
	r := request(s, 1, 1, 5)
	other := request(s, 2, 50, 5)
	batch := r.Reference.String()
	change := func(edit func(list []one) []one) []byte { return created(batch, edit(listed(r))) }
	for sentence, body := range map[string][]byte{
		"one message is missing":                   change(func(l []one) []one { return l[1:] }),
		"all messages are missing":                 change(func([]one) []one { return nil }),
		"there is one message more":                change(func(l []one) []one { return append(l, one{other.Messages[0].String(), idOf(9)}) }),
		"there is one of ours more":                change(func(l []one) []one { return append(l, l[0]) }),
		"one reference is foreign":                 change(func(l []one) []one { l[2].Reference = other.Messages[0].String(); return l }),
		"the first reference is foreign":           change(func(l []one) []one { l[0].Reference = other.Messages[0].String(); return l }),
		"one reference is empty":                   change(func(l []one) []one { l[2].Reference = ""; return l }),
		"one reference has something behind it":    change(func(l []one) []one { l[2].Reference += "0"; return l }),
		"one reference is cut":                     change(func(l []one) []one { l[2].Reference = l[2].Reference[:35]; return l }),
		"one reference is in capitals":             change(func(l []one) []one { l[2].Reference = strings.ToUpper(l[2].Reference); return l }),
		"a reference comes twice":                  change(func(l []one) []one { l[2].Reference = l[1].Reference; return l }),
		"one id is empty":                          change(func(l []one) []one { l[4].ID = ""; return l }),
		"one id is longer than anybody's":          change(func(l []one) []one { l[4].ID = strings.Repeat("a", 65); return l }),
		"one id has a control character":           change(func(l []one) []one { l[4].ID = "id\x1b[31m"; return l }),
		"one id has a line break":                  change(func(l []one) []one { l[4].ID = "id\n5"; return l }),
		"one id has a zero":                        change(func(l []one) []one { l[4].ID += "\x00"; return l }),
		"one id has a blank":                       change(func(l []one) []one { l[4].ID = "id 5"; return l }),
		"one id has a sign that turns the line":    change(func(l []one) []one { l[4].ID = "id\u202e5"; return l }),
		"two messages have one id":                 change(func(l []one) []one { l[4].ID = l[1].ID; return l }),
		"every message has the same id":            change(func(l []one) []one { return sameID(l) }),
		"every message has it, in another order":   change(func(l []one) []one { slices.Reverse(l); return sameID(l) }),
		"the batch is another":                     created(other.Reference.String(), listed(r)),
		"the batch has no reference":               created("", listed(r)),
		"the batch and all its messages are other": created(other.Reference.String(), listed(other)),
		"the batch is ours and its messages other": created(batch, listed(other)),
		"there are two answers":                    append(created(batch, listed(r)), created(batch, listed(r))...),
		"there is something behind the answer":     append(created(batch, listed(r)), 'x'),
		"an id is a number":                        []byte(strings.Replace(string(created(batch, listed(r))), strconv.Quote(idOf(0)), "12", 1)),
		"the messages are no list":                 []byte(`{"data":{"attributes":{"messageBatchReference":"` + batch + `","messages":{}}}}`),
	} {
		inDoubt(t, sentence, accepted(r, body))
	}
	if strings.ToUpper(r.Messages[2].String()) == r.Messages[2].String() {
		t.Error("the reference has no letters, so its case shows nothing")
	}
}

func sameID(list []one) []one {
	for i := range list {
		list[i].ID = idOf(0)
	}
	return list
}

// A service that gives one id to message after message is in doubt, though each answer alone would
// be good.
func TestAnIDOfThePreviousMessageIsInDoubt(t *testing.T) {
	for sentence, make := range map[string]func(Options) Options{
		"batches of one":  func(o Options) Options { return o },
		"single messages": single,
	} {
		id := "2WL3qFTEFM0qMY8xjRbt1LIKCzM"
		answers := func(w http.ResponseWriter, r *http.Request) {
			var sent struct {
				Data struct {
					Attributes struct {
						Batch    string `json:"messageBatchReference"`
						Message  string `json:"messageReference"`
						Messages []one
					}
				}
			}
			_ = json.NewDecoder(r.Body).Decode(&sent)
			w.WriteHeader(201)
			if a := sent.Data.Attributes; a.Message != "" {
				_, _ = fmt.Fprintf(w, `{"data":{"type":"Message","id":%q,"attributes":{"messageReference":%q}}}`, id, a.Message)
			} else {
				_, _ = w.Write(created(a.Batch, []one{{a.Messages[0].Reference, id}}))
			}
		}
		s := New(make(options(t, listen(t, answers).URL, issuer(t).URL)))
		first, second := request(s, 1, 1, 1), request(s, 2, 2, 1)
		if a := s.Send(t.Context(), first); a.Reply != engine.Accepted || a.IDs[0] != id {
			t.Errorf("%s: the first: %+v", sentence, a)
		}
		if a := s.Send(t.Context(), first); a.Reply != engine.Accepted {
			t.Errorf("%s: the same message once more: %+v", sentence, a)
		}
		inDoubt(t, sentence, s.Send(t.Context(), second))
		id = "2WL3qFTEFM0qMY8xjRbt1LIKCzN"
		if a := s.Send(t.Context(), second); a.Reply != engine.Accepted {
			t.Errorf("%s: an id of its own: %+v", sentence, a)
		}
	}
}

func TestA201CutAtAnyByteIsInDoubt(t *testing.T) {
	s := sinkTo(t, nil)
	r := request(s, 1, 1, 3)
	body := created(r.Reference.String(), listed(r))
	for at := range body {
		inDoubt(t, fmt.Sprintf("cut at byte %d", at), accepted(r, body[:at]))
	}
	isAccepted(t, "whole", accepted(r, body), r)
}

// The connection breaks off: with an announced length, and in chunks.
func TestA201OfABrokenConnectionIsInDoubt(t *testing.T) {
	type answer struct {
		body    []byte
		at      int
		chunked bool
	}
	var next atomic.Pointer[answer]
	s := sinkTo(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		a := next.Load()
		if !a.chunked {
			w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		}
		w.WriteHeader(201)
		_, _ = w.Write(a.body[:a.at])
		_ = http.NewResponseController(w).Flush()
		if a.at < len(a.body) || a.chunked {
			panic(http.ErrAbortHandler)
		}
	})
	r := request(s, 1, 1, 3)
	body := created(r.Reference.String(), listed(r))
	for at := 0; at < len(body); at += 13 {
		next.Store(&answer{body, at, false})
		inDoubt(t, fmt.Sprintf("cut at byte %d", at), s.Send(context.Background(), r))
	}
	next.Store(&answer{body, len(body), false})
	isAccepted(t, "whole", s.Send(context.Background(), r), r)
	next.Store(&answer{body, len(body), true})
	inDoubt(t, "whole, but the end of the chunks is missing", s.Send(context.Background(), r))
}

// Blanks after a 201 are good JSON, so only the size differs.
func TestTheLargestReadable201(t *testing.T) {
	var next atomic.Pointer[[]byte]
	s := sinkTo(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(201)
		_, _ = w.Write(*next.Load())
	})
	r := request(s, 1, 1, 3)
	whole := created(r.Reference.String(), listed(r))
	grow := func(size int) {
		body := append(whole[:len(whole):len(whole)], strings.Repeat(" ", size-len(whole))...)
		next.Store(&body)
	}
	grow(16 << 20)
	isAccepted(t, "16 MiB", s.Send(context.Background(), r), r)
	grow(16<<20 + 1)
	inDoubt(t, "one byte more than 16 MiB", s.Send(context.Background(), r))
	grow(17 << 20)
	inDoubt(t, "17 MiB", s.Send(context.Background(), r))
}

func TestAFullBatchIsJoined(t *testing.T) {
	s := sinkTo(t, nil)
	r := request(s, 1, 1, 45_000)
	isAccepted(t, "45,000 messages", accepted(r, created(r.Reference.String(), listed(r))), r)
}
