package simulator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// State is a file in which a Server keeps what it has accepted, as the live service's
// database does, so that the ledger and the references outlive the process. It holds
// personal data. Safe for concurrent use.
//
// A request is a line of JSON, appended and synced before it is answered: one that was
// accepted and not answered any more is a duplicate afterwards. A last line without its
// end was never answered for, and is cut off.
//
// Tokens, counters and the faults' draws are not kept: everybody signs in again, and a
// fault with a limit may strike anew. The same seed gives the same message ids.
type State struct {
	mu   sync.Mutex
	file *os.File
	err  error // the first that writing met; nothing is written after it

	kept []kept // as found at opening
}

// keptStart is what every line begins with.
const keptStart = `{"application":`

// kept is one accepted request in a State.
type kept struct {
	Application   string        `json:"application"`
	Reference     string        `json:"reference"` // of the batch, or of the single message
	Single        bool          `json:"single,omitempty"`
	RoutingPlanID string        `json:"routingPlanId,omitempty"`
	Channel       string        `json:"channel,omitempty"` // of the NHS App, and so the next two
	CampaignID    string        `json:"campaignId,omitempty"`
	ID            string        `json:"communicationId,omitempty"`
	AcceptedAt    time.Time     `json:"acceptedAt"`
	BodyCRC32C    uint32        `json:"bodyCrc32c"`
	Messages      []keptMessage `json:"messages"`
}

type keptMessage struct {
	Reference       string          `json:"messageReference"`
	NHSNumber       string          `json:"nhsNumber,omitempty"`
	Personalisation json.RawMessage `json:"personalisation,omitempty"`
}

// OpenState opens the file, or makes it, and reads what it holds. It fails when another
// process has it, and when a line other than an unfinished last one cannot be read.
func OpenState(path string) (*State, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s := &State{file: f}
	if err := s.open(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *State) open() error {
	if err := unix.Flock(int(s.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another simulator keeps its state there (%w); give each a file of its own", err)
	}
	text, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for n, rest := 1, text[:whole]; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		k, err := keptIn(line, n)
		if err != nil {
			return err
		}
		s.kept = append(s.kept, k)
	}
	if rest := text[whole:]; len(rest) > 0 {
		if n := min(len(rest), len(keptStart)); string(rest[:n]) != keptStart[:n] {
			return errors.New("it is not what a simulator wrote, and is left as it is; name a file of its own with --state")
		}
		return s.file.Truncate(int64(whole))
	}
	return nil
}

// keptIn reads the nth line.
func keptIn(line []byte, n int) (k kept, err error) {
	if !bytes.HasPrefix(line, []byte(keptStart)) || json.Unmarshal(line, &k) != nil {
		err = fmt.Errorf("line %d is not what a simulator wrote; name another file, or take it away to begin with nothing", n)
	}
	return k, err
}

// Close lets go of the file. Nothing may be accepted after it.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = os.ErrClosed
	}
	return s.file.Close()
}

// keep makes an accepted request durable. After an error nothing is kept any more: what
// stands behind half a line could not be read again.
func (s *State) keep(r *record, body uint32, messages []message, personalisation bool) error {
	k := kept{
		Application: r.application, Reference: r.reference, Single: r.single, RoutingPlanID: r.plan, AcceptedAt: r.at, BodyCRC32C: body,
		Channel: r.channel, CampaignID: r.campaign, ID: r.id,
		Messages: make([]keptMessage, len(messages)),
	}
	for i, m := range messages {
		k.Messages[i] = keptMessage{Reference: m.reference, NHSNumber: m.nhsNumber}
		if personalisation {
			k.Messages[i].Personalisation = json.RawMessage(m.personalisation)
		}
	}
	var line bytes.Buffer
	out := json.NewEncoder(&line)
	out.SetEscapeHTML(false)
	if err := out.Encode(k); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	_, err := s.file.Write(line.Bytes())
	s.err = errors.Join(err, s.file.Sync())
	return s.err
}

// remember enters what a State held. It is called once, before anything is served.
func (l *ledger) remember(kept []kept, personalisation bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range kept {
		r, messages := k.record(personalisation)
		if r.channel != "" {
			l.named++
		} else {
			l.claims[r.key()] = &claim{body: k.BodyCRC32C}
		}
		l.add(r, messages)
	}
}

// record is the request as the ledger has it, and its messages.
func (k *kept) record(personalisation bool) (*record, []message) {
	r := &record{application: k.Application, reference: k.Reference, single: k.Single, plan: k.RoutingPlanID, channel: k.Channel, campaign: k.CampaignID, id: k.ID, at: k.AcceptedAt}
	messages := make([]message, len(k.Messages))
	for i, m := range k.Messages {
		messages[i] = message{reference: m.Reference, nhsNumber: m.NHSNumber, personalisation: raw(m.Personalisation)}
	}
	r.pack(messages, personalisation)
	return r, messages
}

// ReadState yields what the file of a State holds, in the order of acceptance, with the ids
// that a Server of that seed has given; it counts no Times. It changes nothing, and may be
// called while a Server is at work with the file. Memory does not grow with the file.
func ReadState(path string, seed uint64) iter.Seq2[Accepted, error] {
	return func(yield func(Accepted, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Accepted{}, err)
			return
		}
		defer func() { _ = f.Close() }()
		l, in := newLedger(seed), bufio.NewReaderSize(f, 1<<20)
		for n := 1; ; n++ {
			line, err := in.ReadBytes('\n')
			if err == io.EOF { // a line without its end was never answered for
				return
			}
			var k kept
			if err == nil {
				k, err = keptIn(line, n)
			}
			if err != nil {
				yield(Accepted{}, fmt.Errorf("%s: %w", path, err))
				return
			}
			r, _ := k.record(false)
			for _, a := range l.open(r) {
				if !yield(a, nil) {
					return
				}
			}
		}
	}
}
