package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/sinks/apim"
	"cohort/sinks/nhsapp"
	"cohort/sinks/notify"
)

// Findings has the state of each part of signing in. It is the output of --json.
type Findings struct {
	OK    bool    `json:"ok"`
	Parts []*Part `json:"parts"`

	by map[apim.Part]*Part
}

// Part is one part of signing in. Its state is unknown when another part prevents the test.
type Part struct {
	Name  apim.Part `json:"part"`
	State string    `json:"state"`
	Found string    `json:"found"`
	Fix   string    `json:"fix,omitempty"`
}

const (
	StateOK      = "ok"
	StateWrong   = "wrong"
	stateUnknown = "unknown"
)

// Examine signs in as a send would, and checks each part alone unless another part prevents it. An
// error means that no part could be tried.
func Examine(ctx context.Context, c *campaign.Campaign) (*Findings, error) {
	client, tokens, err := SignIn(c, 1)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	e := &Findings{by: map[apim.Part]*Part{}}
	for _, name := range []apim.Part{apim.PrivateKey, apim.APIKey, apim.TokenURL, apim.TheClock, apim.KeyID, apim.Token, apim.BaseURL, apim.Permission} {
		e.by[name] = &Part{Name: name, State: stateUnknown, Found: "not known before the rest is right"}
		e.Parts = append(e.Parts, e.by[name])
	}
	if c.NHSApp != nil {
		e.nhsapp(ctx, c, client, tokens)
	} else {
		e.notify(ctx, c, client, tokens)
	}
	e.OK = e.Wrong() == ""
	return e, nil
}

func (e *Findings) notify(ctx context.Context, c *campaign.Campaign, client *http.Client, tokens *apim.Tokens) {
	sink := notify.New(notify.Options{BaseURL: c.Notify.BaseURL, Client: client, Tokens: tokens})
	clock, mistake := sink.Ping(ctx) // first, so that the clock is known even if the keys are wrong
	e.judge(apim.BaseURL, mistake, c.Notify.BaseURL+" is NHS Notify's")
	signedIn := e.keys(c, tokens) && e.token(ctx, c, tokens, &clock)
	if signedIn && e.by[apim.BaseURL].State == StateOK {
		e.judge(apim.Permission, sink.Allowed(ctx), "the service takes the token and lets this application in")
	}
	e.clock(clock, signedIn)
}

// nhsapp examines the NHS App. Its receipts are all that can be asked for.
func (e *Findings) nhsapp(ctx context.Context, c *campaign.Campaign, client *http.Client, tokens *apim.Tokens) {
	var clock *apim.Clock
	signedIn := e.keys(c, tokens) && e.token(ctx, c, tokens, &clock)
	e.clock(clock, signedIn)
	if !signedIn {
		return
	}
	sink := nhsapp.New(nhsapp.Options{BaseURL: c.NHSApp.BaseURL, Client: client, Tokens: tokens})
	if err := sink.Allowed(ctx); err != nil {
		e.blame(&apim.Mistake{Part: apim.Permission, Found: "the NHS App's receipts: " + err.Error(), Fix: "check base_url, and that this application and environment have the NHS App's API among their products"})
		return
	}
	e.found(apim.BaseURL, c.NHSApp.BaseURL+" is the NHS App's")
	e.found(apim.Permission, "the service takes the token and lets this application read receipts; whether it may send, only a send tells")
}

// keys examines the keys on this machine.
func (e *Findings) keys(c *campaign.Campaign, tokens *apim.Tokens) (both bool) {
	who := CredentialsOf(c)
	key, err := who.PublicKey()
	if err != nil {
		e.blame(err)
	} else {
		e.found(apim.PrivateKey, fmt.Sprintf("%s, RSA, %d bits, thumbprint %s%s", who.WherePrivateKey(), key.N.BitLen(), apim.Thumbprint(key), openToOthers(who.PrivateKeyFile)))
	}
	fingerprint, err2 := tokens.Fingerprint()
	if err2 != nil {
		e.blame(err2)
	} else {
		e.found(apim.APIKey, fmt.Sprintf("%s, fingerprint %s%s", who.WhereAPIKey(), fingerprint, openToOthers(who.APIKeyFile)))
	}
	return err == nil && err2 == nil
}

// token asks for a token. It sets clock when the answer shows the clock more closely.
func (e *Findings) token(ctx context.Context, c *campaign.Campaign, tokens *apim.Tokens, clock **apim.Clock) bool {
	life, told, err := tokens.Try(ctx)
	refused := (*apim.TokenError)(nil)
	answered := err == nil
	if errors.As(err, &refused) {
		told, answered = refused.Clock, refused.Status > 0
	}
	if told != nil && (*clock == nil || told.Within < (*clock).Within) {
		*clock = told
	}
	if answered {
		e.found(apim.TokenURL, c.Access().TokenURL+" answers")
	}
	if err != nil {
		e.blame(err)
		return false
	}
	e.found(apim.KeyID, fmt.Sprintf("%s is registered, with the other half of this private key", c.Access().KeyID))
	e.found(apim.Token, fmt.Sprintf("received, valid for %d s", life/time.Second))
	return true
}

// clock judges this machine's clock. It is good enough when a token was received.
func (e *Findings) clock(clock *apim.Clock, signedIn bool) {
	p := e.by[apim.TheClock]
	switch {
	case p.State == StateWrong: // the token endpoint has said so
	case clock == nil && signedIn:
		p.State, p.Found = StateOK, "good enough for the token endpoint"
	case clock == nil:
		p.Found = "no answer shows it"
	case !signedIn && clock.Refused():
		p.State, p.Found, p.Fix = StateWrong, clock.String(), "set this machine's clock"
	default:
		p.State, p.Found = StateOK, clock.String()
		if remark := clock.Remark(); remark != "" {
			p.Found += "; " + remark
		}
	}
}

// judge notes a part as wrong when there is a mistake, and otherwise what was found.
func (e *Findings) judge(name apim.Part, m *apim.Mistake, found string) {
	if m != nil {
		e.blame(m)
		return
	}
	e.found(name, found)
}

func (e *Findings) found(name apim.Part, text string) {
	e.by[name].State, e.by[name].Found = StateOK, text
}

// blame notes the part that an error is about as wrong.
func (e *Findings) blame(err error) {
	m := (*apim.Mistake)(nil)
	if !errors.As(err, &m) {
		m = &apim.Mistake{Part: apim.Token, Found: err.Error()}
	}
	p := e.by[m.Part]
	p.State, p.Found, p.Fix = StateWrong, refusal.OneLine(m.Problem()), m.Fix
}

func (e *Findings) Wrong() string {
	var names []string
	for _, p := range e.Parts {
		if p.State == StateWrong {
			names = append(names, string(p.Name))
		}
	}
	return strings.Join(names, ", ")
}

func (e *Findings) Print(w io.Writer) {
	for _, p := range e.Parts {
		mark := map[string]string{StateOK: "ok", StateWrong: "WRONG", stateUnknown: "?"}[p.State]
		fmt.Fprintf(w, "%-5s  %-11s  %s\n", mark, p.Name, p.Found)
		if p.Fix != "" {
			fmt.Fprintf(w, "%-5s  %-11s  to do: %s\n", "", "", p.Fix)
		}
	}
	if e.OK {
		fmt.Fprintln(w, "a send could sign in; nothing was sent")
	}
}

// openToOthers warns about a file of secrets that other users can read.
func openToOthers(path string) string {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return fmt.Sprintf("; other users may read it, so: chmod 600 %s", refusal.ShellWord(path))
	}
	return ""
}
