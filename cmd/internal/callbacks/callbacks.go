// Package callbacks is the process that receives callbacks: it listens, keeps the inbox, and watches
// the files that may be renewed.
package callbacks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/metrics"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/event"
	"cohort/engine/facts"
	"cohort/engine/inbox"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	receive "cohort/sinks/callbacks"
)

const (
	lookAfter  = 5 * time.Second // files are looked at, and an inbox that failed is opened again
	headerTime = 30 * time.Second
	answerTime = 2 * time.Minute // body, store and answer
	mostHeader = 64 << 10
	soon       = 30 * 24 * time.Hour // before the end of a certificate
)

// Command is one call of cohort callbacks.
type Command struct {
	Campaign    string // the campaign file
	Runs        string // the folder of the runs' folders
	Listen      string
	Cert, Key   string // files; empty: plain HTTP
	BehindProxy bool
	Metrics     metrics.Options
	Log         *slog.Logger
	every       time.Duration // looks at files and inbox; lookAfter when zero
}

// Run receives callbacks until ctx is done, and then answers those under way.
func (c *Command) Run(ctx context.Context) error {
	exporter, err := c.Metrics.Start(c.Log)
	if err != nil {
		return err
	}
	defer exporter.Close()
	whole, err := intake.LoadCampaign(c.Campaign)
	if err != nil {
		return err
	}
	b := whole.Callbacks
	if b == nil {
		return refusal.New("callbacks_missing", "cause", whole.Mistake("callbacks", "is missing; name the senders to trust there, such as callbacks: {application_id: 4f1c…}"))
	}
	if (c.Cert == "") != (c.Key == "") {
		return refusal.New("tls_half")
	}
	if err := c.lookForRuns(); err != nil {
		return err
	}
	runs, err := runfolder.Absolute(c.Runs)
	if err != nil {
		return err
	}
	s := &service{log: c.Log, every: cmp.Or(c.every, lookAfter), folder: filepath.Join(runs, facts.SharedFolder)}
	counts := metrics.NewReceiver()
	o := receive.Options{Log: c.Log, Seen: counts.Count}
	if s.withClients = b.ClientCAFile != "" && c.Cert != "" && !c.BehindProxy; s.withClients {
		o.ClientNames = b.ClientNames
	}
	if b.ApplicationID != "" {
		o.APIKeyHeader = b.APIKeyHeader
	} else if !s.withClients {
		return refusal.New("callbacks_nothing_served")
	}
	if s.inbox, err = openInbox(s.folder, c.Log); err != nil {
		return err
	}
	defer func() { _ = s.inbox.Close() }() // again, after an error
	o.Store = s.inbox
	s.receiver = receive.New(o)
	s.watch(c, b)
	for _, f := range s.files {
		if _, err := f.renew(); err != nil {
			return err
		}
	}
	exporter.Show(counts.Source(s.certificateEnds), metrics.Under(runs))
	listener, err := c.listen()
	if err != nil {
		return err
	}
	return s.run(ctx, listener)
}

// lookForRuns warns of a folder without runs: its name may be wrong, or they may come later.
func (c *Command) lookForRuns() error {
	folder, err := runfolder.Absolute(c.Runs)
	if err != nil {
		return err
	}
	if parent := filepath.Dir(folder); !runfolder.Exists(parent) {
		return refusal.New("runs_misplaced", "folder", folder, "parent", parent)
	}
	if runs, _ := runfolder.In(folder); len(runs) == 0 { // what cannot be read is refused later
		c.Log.Warn("the folder of --runs has no run yet; runs in other folders do not get these callbacks", event.NoRunsYet, "runs", folder)
	}
	return nil
}

// openInbox opens the inbox in a folder, and makes it if necessary. An error is a refusal.
func openInbox(folder string, log *slog.Logger) (opened *inbox.Inbox, err error) {
	damaged := func(damage error) {
		log.Error("ALARM: a file of the inbox is damaged; it stays as it is, and callbacks are stored beside it; "+
			"see \"The inbox is damaged\" in docs/callbacks.md", event.InboxDamaged, "cause", damage)
	}
	if err = os.MkdirAll(filepath.Dir(folder), 0o755); err == nil {
		opened, err = inbox.OpenBeside(folder, "callbacks", damaged)
	}
	switch {
	case errors.As(err, new(*disk.HeldError)):
		return nil, refusal.New("inbox_busy", "folder", folder, "cause", err)
	case err != nil:
		return nil, refusal.New("inbox_unusable", "folder", folder, "cause", err)
	}
	return opened, nil
}

// listen opens the port. Plain HTTP is for this machine, or behind a proxy.
func (c *Command) listen() (net.Listener, error) {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return nil, refusal.New("listen_not_host_port", "given", c.Listen)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, refusal.New("callbacks_cannot_listen", "address", c.Listen, "cause", err)
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() && c.Cert == "" && !c.BehindProxy {
		_ = listener.Close()
		return nil, refusal.New("callbacks_in_the_clear", "address", c.Listen)
	}
	return listener, nil
}

// service is a receiver at work.
type service struct {
	log         *slog.Logger
	every       time.Duration
	receiver    *receive.Receiver
	folder      string // of the inbox
	inbox       *inbox.Inbox
	withClients bool // there are paths that rest on a client certificate
	cert        certificate
	files       []*renewable
	handshakes  atomic.Int64 // that failed since the latest report
	refused     atomic.Int64 // of them, because the sender refused the certificate
	lastFailed  atomic.Value // why the latest of them did, a string
}

func (s *service) watch(c *Command, b *campaign.Callbacks) {
	if c.Cert != "" {
		s.files = append(s.files, s.cert.files(c.Cert, c.Key))
	}
	if b.ApplicationID != "" {
		s.files = append(s.files, theKeys(b, s.receiver))
	}
	if s.withClients {
		s.files = append(s.files, theAuthority(b.ClientCAFile, s.receiver))
	}
	s.files = append(s.files, &renewable{paths: []string{c.Campaign}})
}

// run serves until ctx is done.
func (s *service) run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.receiver, ErrorLog: log.New(s, "", 0), Protocols: new(http.Protocols),
		ReadHeaderTimeout: headerTime, WriteTimeout: answerTime, IdleTimeout: answerTime, MaxHeaderBytes: mostHeader,
	}
	server.Protocols.SetHTTP1(true)
	runs, _ := runfolder.In(filepath.Dir(s.folder)) // what cannot be read was refused before
	facts := []any{event.Receiving, "address", listener.Addr().String(), "inbox", s.folder, "runs", len(runs), "client_certificates", s.withClients}
	if s.cert.current.Load() != nil {
		listener = tls.NewListener(listener, s.cert.config(s.withClients))
	}
	s.log.Info("receiving callbacks", append(facts, s.cert.facts()...)...)
	s.warnOfCertificate()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := s.work(ctx, ended); err != nil {
		return err
	}
	s.log.Info("stopping: callbacks under way are answered, later ones get 503", event.Stopping, "by", context.Cause(ctx))
	s.receiver.Stop()
	drained, cancel := context.WithTimeout(context.Background(), lookAfter)
	defer cancel()
	if server.Shutdown(drained) != nil { // what is left are connections without a callback
		_ = server.Close()
	}
	s.report("since the last report")
	return s.inbox.Close()
}

// work looks after files, inbox and reports until ctx is done, or until the server fails.
func (s *service) work(ctx context.Context, ended <-chan error) error {
	look := time.NewTicker(s.every)
	defer look.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case <-look.C:
			s.look()
		}
		if n%(time.Minute/s.every) == 0 {
			s.report("in the last minute")
		}
		if n%(24*time.Hour/s.every) == 0 {
			s.warnOfCertificate()
		}
	}
}

// look takes renewed files into use, and opens the inbox again after a failure.
func (s *service) look() {
	for _, f := range s.files {
		switch changed, err := f.renew(); {
		case err != nil:
			s.log.Warn("a renewed file cannot be used; what was loaded before stays in use", event.RenewalFailed, "file", f.what, "cause", err)
		case changed && f.use == nil:
			s.log.Warn("the campaign file has changed: restart this receiver to take it up", event.CampaignChanged)
		case changed && f.what == certificateFiles:
			s.log.Info("a renewed file is in use", append([]any{event.Renewed, "file", f.what}, s.cert.facts()...)...)
			s.warnOfCertificate()
		case changed:
			s.log.Info("a renewed file is in use", event.Renewed, "file", f.what)
		}
	}
	if err := s.inbox.InPlace(); err != nil {
		s.receiver.Fail(err)
	}
	if s.receiver.Failing() && s.inbox.Reopen() == nil {
		s.receiver.Recovered()
	}
}

// certificateEnds returns the end of the certificate in use; zero: there is none.
func (s *service) certificateEnds() (end time.Time) {
	if pair := s.cert.current.Load(); pair != nil {
		end = pair.Leaf.NotAfter
	}
	return end
}

// warnOfCertificate warns of a certificate that the services refuse, soon refuse, or that costs much time.
func (s *service) warnOfCertificate() {
	pair := s.cert.current.Load()
	if pair == nil {
		return
	}
	leaf := pair.Leaf
	switch left := time.Until(leaf.NotAfter); {
	case left <= 0:
		s.log.Error("ALARM: the certificate has ended, and the services send no callbacks; renew it, and keep its private key", event.CertificateEnds, "ended", leaf.NotAfter.UTC())
	case left < soon:
		s.log.Warn("ALARM: the certificate ends soon, and the services then stop sending callbacks; renew it, and keep its private key", event.CertificateEnds,
			"ends", leaf.NotAfter.UTC(), "days", int(left.Hours()/24))
	}
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		s.log.Warn("the certificate is self-signed: that is for the simulator. NHS Notify gives up at once on each callback to it", event.CertificateUnfit)
	}
	if leaf.PublicKeyAlgorithm == x509.RSA {
		s.log.Warn("the certificate has an RSA key, which is slow: NHS Notify makes a new connection for each callback. Get one with an ECDSA key", event.CertificateUnfit)
	}
}

// report logs the counts since the latest report, if there are any.
func (s *service) report(when string) {
	if counts := s.receiver.Report(); counts != "" {
		s.log.Info("callbacks "+when+": "+counts, event.CallbacksCounted)
	}
	if failed := s.handshakes.Swap(0); failed > 0 {
		s.log.Info("TLS handshakes that failed "+when, event.HandshakesFailed, "count", failed, "latest", s.lastFailed.Load())
	}
	if refused := s.refused.Swap(0); refused > 0 {
		s.log.Warn("senders refuse the certificate of this receiver: has it ended, is it self-signed, does it name this host, "+
			"and has its file the certificates between it and its authority?", event.CertificateRefused, "times", refused)
	}
}

// Write takes a line that net/http logs. Failed handshakes are counted.
func (s *service) Write(line []byte) (int, error) {
	text, isHandshake := strings.CutPrefix(strings.TrimSpace(string(line)), "http: TLS handshake error from ")
	if !isHandshake {
		first, _, _ := strings.Cut(text, "\n")
		s.log.Error("the server of callbacks says", event.ServerSays, "line", first)
		return len(line), nil
	}
	_, reason, _ := strings.Cut(text, ": ") // behind the address
	s.lastFailed.Store(reason)
	s.handshakes.Add(1)
	if strings.HasPrefix(reason, "remote error: ") && strings.Contains(reason, "certificate") {
		s.refused.Add(1)
	}
	return len(line), nil
}
