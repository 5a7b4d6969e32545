package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/ingest/person"
)

// UnreachedHeader is the header line of a list of people whom a run has not reached.
const UnreachedHeader = "row,file,line,fate,reason_code,reason,message_reference,may_follow_up,as_of"

// Unreached decides whom a run has not reached, and who of them may be written to in another way.
type Unreached struct {
	App     bool          // the messages are in the NHS App, which tells whether they were read
	Unread  time.Duration // a message in the app may stay unread for less than that
	Now     time.Time     // the moment of the list
	OnlyYes bool          // list only people who may be written to

	// CSV sets these.
	successor string    // the run that took this run's place; it may have reached everybody
	receipts  time.Time // when the NHS App was last asked for all receipts; zero: never
}

// Missed says why a person was not reached.
type Missed struct {
	Code        string // the service's code, or one of ours
	Reason      string // in plain words
	MayFollowUp bool
}

// Reason codes of messages that were accepted and did not reach the person.
const (
	codeFailed     = delivery.Failed // by every channel of the service, which gave no code
	codeRejected   = "rejected"      // the NHS App has nobody with the number
	codeUnnotified = "unnotified"    // the push did not reach the phone
	codeUnread     = "unread"        // not read in time
)

// Of returns why a record's person was not reached; false: the person was, or may still be. m has the fate, the code and
// the reason of a record that was never to be sent. s is nil when the service has said nothing about the message.
//
// A wrong yes writes twice to a person, or to one who must not be written to. So every case that is not certain is a no.
func (u *Unreached) Of(m *outcome.Message, s *delivery.State) (Missed, bool) {
	missed, is := u.alone(m, s)
	if missed.MayFollowUp && u.successor != "" {
		missed.MayFollowUp, missed.Reason = false, "run "+u.successor+" took this run's place: look at its list"
	}
	return missed, is
}

// alone is Of without a look at other runs.
func (u *Unreached) alone(m *outcome.Message, s *delivery.State) (Missed, bool) {
	switch missed := (Missed{Code: m.Code, Reason: m.Reason}); {
	case m.Fate == person.Accepted:
		switch missed = u.accepted(m, s); {
		case missed.Code == "":
			return missed, false
		case forbids(m.Code):
			missed = Missed{Code: m.Code, Reason: m.Reason}
		case s != nil && s.Forbidden != "":
			words := cmp.Or(delivery.WordsFor(s.Forbidden, ""), "by a code that is new, the person's record may forbid messages")
			missed = Missed{Code: s.Forbidden, Reason: words}
		}
		return missed, true
	case m.Fate == person.InDoubt:
		return missed, true
	case m.Code == ledger.CodeContradicted:
		return missed, true
	case s != nil:
		return Missed{ledger.CodeContradicted, "the service has reported on this message, and by the log of this run it was not accepted", false}, true
	case m.Fate == person.NotSent:
		if missed.Reason == "" {
			missed.Reason = "it was not sent; this run, or one that took its place, can still send it"
		}
		return missed, true
	case m.Fate == person.Refused:
		return Missed{m.Code, delivery.PlainWords(m.Reason), !m.Unsure && !forbids(m.Code)}, true
	case m.Fate == person.Invalid: // the number may be wrong, and no list or other record was compared with it
		missed.Reason += "; correct the record, and send it with --new-cohort"
		return missed, true
	default:
		return missed, true
	}
}

// forbids reports whether the code of a record forbids another message.
func forbids(code string) bool {
	return code == ledger.CodeListedTooLate || code == ledger.CodeContradicted
}

// accepted returns why an accepted message has not reached its person; the zero value: it has, or may still.
func (u *Unreached) accepted(m *outcome.Message, s *delivery.State) Missed {
	if s == nil {
		s = &delivery.State{}
	}
	switch {
	case s.Read, s.Delivered && !u.App:
	case s.Status == delivery.Failed && s.Source != delivery.Receipt:
		missed := Missed{s.Code, delivery.WordsFor(s.Code, s.Reason), !s.ForbidsMessages()}
		if missed.Code == "" {
			missed.Code = codeFailed
		}
		if missed.Reason == "" && !missed.MayFollowUp {
			missed.Reason = "it failed and no channel is known to be tried: the person's record may forbid messages"
		}
		if missed.Reason == "" {
			missed.Reason = "every channel that the service tried has failed"
		}
		return missed
	case !u.App:
	case s.Status == codeRejected:
		return Missed{codeRejected, "the NHS App has nobody with the NHS number", true}
	case s.Status == codeUnnotified:
		return Missed{codeUnnotified, "the message is in the NHS App, and the push did not reach the phone", true}
	case m.AcceptedAt.IsZero(), u.Now.Sub(m.AcceptedAt) < u.Unread:
	case s.Status == "", u.receipts.Sub(m.AcceptedAt) < u.Unread: // no news is not unread
		return Missed{delivery.NoNews, "nothing is known: run cohort reconcile first, or see docs/callbacks.md", false}
	default:
		return Missed{codeUnread, "the message was not read in time in the NHS App", true}
	}
	return Missed{}
}

// UnreachedCounts counts the people in a list by reason code.
type UnreachedCounts struct{ Yes, No map[string]int64 }

// CSV lists the people whom the run has not reached, in the order of the cohort file. It names them by row, file, line
// and reference only. counts may be nil; it counts people whom OnlyYes leaves out too.
func (u *Unreached) CSV(w io.Writer, counts *UnreachedCounts) Output {
	return func(in *Input) (output, error) {
		rule := *u
		rule.successor, _, _ = strings.Cut(in.Superseded, " ") // without its folder
		rule.receipts = in.Receipts
		o := &unreachedList{rule: &rule, in: in, w: w, counts: counts}
		if counts == nil {
			o.counts = &UnreachedCounts{}
		}
		o.counts.Yes, o.counts.No = map[string]int64{}, map[string]int64{}
		_, err := io.WriteString(w, UnreachedHeader+"\n")
		return o, err
	}
}

type unreachedList struct {
	rule   *Unreached
	in     *Input
	w      io.Writer
	counts *UnreachedCounts
}

func (o *unreachedList) maker() maker {
	var buf bytes.Buffer
	asOf := o.rule.Now.UTC().Format(time.RFC3339)
	return func(g *group) (func() error, error) {
		buf.Reset()
		out := csv.NewWriter(&buf)
		yes, no := map[string]int64{}, map[string]int64{}
		for i, row := range g.rows {
			told := &g.told[g.outcomes[i]]
			missed, is := o.rule.Of(&told.Message, g.stateOf(i))
			missed.MayFollowUp = missed.MayFollowUp && o.in.Unread == nil // it may be in what cannot be read
			switch {
			case !is:
				continue
			case missed.MayFollowUp:
				yes[missed.Code]++
			default:
				if no[missed.Code]++; o.rule.OnlyYes {
					continue
				}
			}
			reference, may := "", "no"
			if told.planned {
				reference = o.in.Plan.References.Message(row).String()
			}
			if missed.MayFollowUp {
				may = "yes"
			}
			_ = out.Write([]string{ // a buffer takes everything
				strconv.FormatInt(row, 10), filepath.Base(o.in.Plan.Cohort.Files[g.files[i]].Path), strconv.FormatInt(g.lines[i], 10),
				string(told.Fate), missed.Code, missed.Reason, reference, may, asOf,
			})
		}
		out.Flush()
		return func() error {
			addTo(o.counts.Yes, yes)
			addTo(o.counts.No, no)
			_, err := o.w.Write(buf.Bytes())
			return err
		}, nil
	}
}

func addTo(all, some map[string]int64) {
	for code, n := range some {
		all[code] += n
	}
}

func (o *unreachedList) close(map[string]string) error { return nil }
