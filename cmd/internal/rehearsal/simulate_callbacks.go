package rehearsal

import (
	"cmp"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"cohort/engine/refusal"
	"cohort/sinks/simulator/callbacks"
	"cohort/sinks/simulator/faults"
)

// calledBack are the flags of simulate about the callbacks that it sends.
type calledBack struct {
	url, target, faults, log string
}

func (b *calledBack) flags(f *pflag.FlagSet) {
	f.StringVar(&b.url, "callbacks", "", "the `URL` of a receiver to send callbacks and receipts to")
	f.StringVar(&b.target, "callback-target", "", "a YAML `file` with the receiver's keys, certificates and rate")
	f.StringVar(&b.faults, "callback-faults", "", "a YAML `file` of faults of the callbacks")
	f.StringVar(&b.log, "callback-log", "", "a new `file` for a JSON line on each callback: acknowledged, lost or refused")
}

// options reads the files of the flags, and begins the log. The API key is the target's, or else
// apiKey.
func (b *calledBack) options(apiKey string, hasten float64) (o callbacks.Options, err error) {
	if b.url == "" {
		if b.target+b.faults+b.log != "" {
			err = refusal.New("callbacks_without_url")
		}
		return o, err
	}
	if u, err := url.Parse(b.url); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return o, refusal.New("callbacks_url_wrong", "given", b.url)
	}
	o.URL, o.Hasten = strings.TrimSuffix(b.url, "/"), hasten
	if b.target != "" {
		if o.Target, err = callbacks.LoadTarget(b.target); err != nil {
			return o, refusal.New("callback_target_unreadable", "cause", err)
		}
	}
	o.Target.APIKey = cmp.Or(o.Target.APIKey, apiKey)
	if b.faults != "" {
		if o.Faults, err = faults.Load(b.faults, faults.CallbackKinds()); err != nil {
			return o, refusal.New("faults_unreadable", "cause", err)
		}
	}
	if b.log != "" {
		if o.Log, err = os.OpenFile(b.log, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil { // open until the process ends
			return o, refusal.New("callback_log_unusable", "cause", err)
		}
	}
	return o, nil
}
