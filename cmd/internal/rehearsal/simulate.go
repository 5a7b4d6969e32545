package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/intake"
	"cohort/engine/build"
	"cohort/engine/facts"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// Simulate makes the command "simulate".
func Simulate() *cobra.Command {
	var listen, faultsFile, campaignPath, state, jwks, patients, check string
	var seed uint64
	var hasten float64
	var intermediary bool
	var back calledBack
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Stand in for NHS Notify and the NHS App, as a process of its own",
		Long: `Simulate answers as NHS Notify does, and under /nhs-app as the NHS App does. It refuses what the
service refuses, remembers batch references, checks access tokens, and reports the statuses and
receipts of messages as time passes. It sends nothing to anybody. /_simulator/ledger lists what
it has accepted (JSON lines), and /_simulator/stats counts it.

With --state a file keeps the ledger, so that a later process goes on with it. The file holds
personal data. Without --state the ledger is lost when the process ends.

With -c only the campaign's API key and private key can sign in. With --jwks only the keys of
that file can. Without both, any API key can sign in, and signatures are not checked.

With --check it compares the report of a run, or of a run's folder, with the ledger in --state:
it serves nothing. Every accepted record must be there once, for the same person and under the
same id, and nobody else except people in doubt. Differences name rows, never people. --seed must
be that of the simulator. Exit code 0: they agree; 1: they differ; 10: nobody can say.

A YAML file switches faults on, each with its share of the requests:
    reset_after: 0.02                                # accepted, then the connection breaks
    quota_429: {share: 0.05, retry_after: 1s}
    latency: {fixed: 20ms, jitter: 30ms}
The faults are: ` + strings.Join(faults.Names(faults.Kinds()), ", ") + `.

With --callbacks it also sends the statuses of messages and channels to a receiver, as NHS Notify
does, and the receipts of the NHS App. The paths after the URL are those of cohort callbacks. It
signs with the key <application_id>.<API key>, and tries again for two hours, divided by --hasten.
A 4xx other than 429 loses a callback. /_simulator/callbacks counts them. The file of
--callback-target has these keys, none of them required:
    application_id: simulated                 # half of the signature's key
    api_key_file: secrets/api-key             # else the campaign's, with -c; else "simulated"
    api_key_header: x-api-key
    client_cert_file: client.pem              # with client_key_file: for mutual TLS
    client_key_file: client-key.pem
    ca_file: ca.pem                           # of the receiver's certificate
    rate: 100                                 # callbacks a second, after a burst of 2250
    statuses: [delivered, failed]             # subscribed; else all
    connections: 20                           # at a time; https takes a new one for each callback
    timeout: 30s
    retry: {first: 5s, most: 300s, for: 2h}   # --hasten does not divide these
--callback-faults takes a YAML file as --faults does, with shares of the callbacks. The faults are:
` + strings.Join(faults.Names(faults.CallbackKinds()), ", ") + `.
Without losses, the acknowledged callbacks tell the outcomes of /_simulator/ledger?statuses=1.`,
		Example: `  cohort simulate -c campaign.yaml
  cohort simulate --listen 127.0.0.1:9000 --faults faults.yaml --seed 7
  cohort simulate --callbacks https://127.0.0.1:9443 --callback-target target.yaml --hasten 3600
  cohort simulate --state service.jsonl
  cohort simulate --state service.jsonl --check runs/autumn-1a2b3c4d`,
		Args: commandline.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if !(hasten > 0) || math.IsInf(hasten, 1) {
				return refusal.New("hasten_wrong")
			}
			if check != "" {
				if state == "" {
					return refusal.New("check_without_state")
				}
				return checkLedger(c.OutOrStdout(), check, state, seed)
			}
			o := simulator.Options{Seed: seed, Version: build.Version(), Log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
			o.NHSApp.Receipts.Hasten, o.Notify.Statuses.Hasten = hasten, hasten
			o.Notify.ContactDetails, o.NHSApp.Intermediary = true, intermediary
			if faultsFile != "" {
				var err error
				if o.Faults, err = faults.Load(faultsFile, faults.Kinds()); err != nil {
					return refusal.New("faults_unreadable", "cause", err)
				}
			}
			keys, err := trust(&o, campaignPath, jwks)
			if err != nil {
				return err
			}
			if patients != "" {
				text, err := os.ReadFile(patients)
				if err == nil {
					err = json.Unmarshal(text, &o.NHSApp.Patients)
				}
				if err != nil {
					return refusal.New("patients_unreadable", "cause", err)
				}
			}
			if o.Callbacks, err = back.options(o.APIKey, hasten); err != nil {
				return err
			}
			if state != "" {
				if o.State, err = ledger.OpenState(state); err != nil {
					return refusal.New("state_unusable", "cause", err)
				}
				defer func() { _ = o.State.Close() }()
			}
			if _, _, err := net.SplitHostPort(listen); err != nil {
				return refusal.New("listen_not_host_port", "given", listen)
			}
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return refusal.New("simulator_cannot_listen", "address", listen, "cause", err)
			}
			fmt.Fprintf(c.ErrOrStderr(), "NHS Notify simulator: %s\n  base_url:  http://%s/comms\n  token_url: http://%s/oauth2/token\n  the NHS App's base_url: http://%s/nhs-app\n", keys, listener.Addr(), listener.Addr(), listener.Addr())
			if at, ok := listener.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
				fmt.Fprintf(c.ErrOrStderr(), "WARNING: it listens beyond this machine, at %s: other machines can read the messages and NHS numbers that it gets; --listen 127.0.0.1:%d keeps it to this machine\n", listener.Addr(), at.Port)
			}
			return serve(c.Context(), listener, simulator.New(o))
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9000", "the address to listen on")
	f.StringVar(&faultsFile, "faults", "", "a YAML `file` of faults")
	f.StringVar(&state, "state", "", "a `file` that keeps the ledger after the end of this process")
	f.StringVar(&check, "check", "", "a `report`, or a run's folder, to compare with the ledger in --state")
	f.StringVar(&patients, "patients", "", "a JSON `file` of who has the NHS App: a list of nhsNumber and notificationsEnabled by ODS code")
	f.Float64Var(&hasten, "hasten", 1, "statuses and receipts come this many times sooner")
	f.BoolVar(&intermediary, "intermediary", false, "the NHS App takes on_behalf_of: the application is registered as an intermediary")
	f.StringVar(&jwks, "jwks", "", "a `file` of public keys (a JSON Web Key Set), as cohort auth keygen makes it")
	f.Uint64Var(&seed, "seed", 1, "another seed, other faults")
	commandline.CampaignFlag(c, &campaignPath, "the campaign `file` whose keys to know")
	back.flags(f)
	return c
}

// trust lets a campaign's application, the keys of a JWKS, or both sign in to the simulator. It
// says in words who can sign in.
func trust(o *simulator.Options, campaignPath, jwks string) (who string, err error) {
	if jwks != "" {
		text, err := os.ReadFile(jwks)
		if err == nil {
			o.Keys, err = gateway.ReadJWKS(text)
		}
		if err != nil {
			return "", refusal.New("public_keys_unreadable", "cause", err)
		}
	}
	switch {
	case campaignPath == "" && jwks == "":
		return "any API key signs in and signatures are not checked (name a campaign with -c to check them)", nil
	case campaignPath == "":
		return "any API key signs in, with a key of the JWKS", nil
	}
	c, err := intake.LoadCampaign(campaignPath)
	if err != nil {
		return "", err
	}
	if o.APIKey, err = sinks.CredentialsOf(c).APIKey(); err != nil {
		return "", refusal.New("api_key_unusable", "cause", err)
	}
	if jwks != "" {
		return "only the campaign's API key signs in, with a key of the JWKS", nil
	}
	o.KeyID = c.Access().KeyID
	if o.PublicKey, err = sinks.CredentialsOf(c).PublicKey(); err != nil {
		return "", refusal.New("private_key_unusable", "cause", err)
	}
	return "only the campaign's API key and key sign in", nil
}

// serve serves, and sends callbacks, until ctx is done.
func serve(ctx context.Context, listener net.Listener, simulated *simulator.Server) error {
	server := &http.Server{Handler: simulated, ReadHeaderTimeout: time.Minute}
	var sending sync.WaitGroup
	defer sending.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sending.Go(func() { simulated.SendCallbacks(ctx) })
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// checkLedger compares a report with a simulator's ledger, for simulate --check.
func checkLedger(out io.Writer, path, state string, seed uint64) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, runfolder.ReportFile)
	}
	f, err := report.OpenReport(path)
	if err != nil {
		return refusal.New("report_unreadable", "cause", err)
	}
	defer func() { _ = f.Close() }()
	// A report does not say the version of its plan.
	rows := facts.NewRows(f.Run.References(), f.Records)
	older := sync.OnceValue(func() *facts.Rows { return facts.NewRows(f.Run.OlderReferences(), f.Records) })
	r := simulator.Report{Run: f.Run.Short(), Records: f.Records, Complete: f.Complete, Row: func(reference string) (int64, bool) {
		if row, ok := rows.Of(reference); ok {
			return row, true
		}
		return older().Of(reference)
	}}
	for _, fate := range person.Fates {
		r.Fates = append(r.Fates, string(fate))
	}
	r.Outcomes = func(yield func(simulator.Outcome, error) bool) {
		for o, err := range f.Outcomes() {
			if !yield(simulator.Outcome{Row: o.Row, Fate: string(o.Fate), NHSNumber: o.NHSNumber, MessageID: o.MessageID}, err) {
				return
			}
		}
	}
	err = simulator.Check(out, r, state, seed)
	if differ := (*simulator.DifferError)(nil); err != nil && !errors.As(err, &differ) {
		return refusal.New("ledger_unreadable", "cause", err)
	}
	return err
}
