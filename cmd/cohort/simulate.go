package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine/build"
	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/sinks"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

func simulateCommand() *cobra.Command {
	var listen, faultsFile, campaignPath, state, jwks, patients, check string
	var seed uint64
	var hasten float64
	var intermediary bool
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Stand in for NHS Notify and the NHS App, as a process of its own",
		Long: `Simulate answers as NHS Notify does: it refuses what the service refuses, remembers batch
references, checks access tokens, and says of each message that it accepted what has become
of it, which changes as time passes. Under /nhs-app it answers as the NHS App does, which
remembers no references, and reports receipts. It sends nothing to anybody. What it has accepted
is listed at /_simulator/ledger (JSON lines) and counted at /_simulator/stats, and is
forgotten when the process ends; with --state it is kept in a file, synced before it is
answered, and a later process with the same file goes on with it. That file holds
personal data.

With -c it knows the campaign's API key, key id and the public half of its private key,
and signs nobody else in. With --jwks it knows the public keys of that file, as the platform
does once it is registered, and no other. Without either it takes any API key and does not
check signatures.

With --check it serves nothing: it holds the report of a run (or that in a run's folder)
against the ledger that the --state file has. Every accepted record must be in it once, for the
same person and under the same id; of those in doubt some are; and nobody else. Rows that differ
are named, people never are. The --seed must be that of the simulator, which its ids come
from. Exit code 0 when they agree, 1 when they differ, 10 when that cannot be told.

Faults are switched on by a YAML file: each with its share of the requests, as in
    reset_after: 0.02                                # accepted, then the connection breaks
    quota_429: {share: 0.05, retry_after: 1s}
    latency: {fixed: 20ms, jitter: 30ms}
The faults are: ` + faultNames(),
		Example: `  cohort simulate -c campaign.yaml
  cohort simulate --listen 127.0.0.1:9000 --faults faults.yaml --seed 7
  cohort simulate --state service.jsonl
  cohort simulate --state service.jsonl --check runs/autumn-1a2b3c4d`,
		Args: arguments(cobra.NoArgs),
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
				if o.Faults, err = faults.Load(faultsFile); err != nil {
					return refusal.New("faults_unreadable", "cause", err)
				}
			}
			keys := "any API key signs in and signatures are not checked (name a campaign with -c to check them)"
			if err := trust(&o, campaignPath, jwks); err != nil {
				return err
			}
			switch {
			case campaignPath != "" && jwks != "":
				keys = "only the campaign's API key signs in, with a key of the JWKS"
			case campaignPath != "":
				keys = "only the campaign's API key and key sign in"
			case jwks != "":
				keys = "any API key signs in, with a key of the JWKS"
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
			if state != "" {
				var err error
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
				fmt.Fprintf(c.ErrOrStderr(), "WARNING: it listens beyond this machine, at %s: whoever reaches it can read what it was sent, with NHS numbers; --listen 127.0.0.1:%d keeps it to this machine\n", listener.Addr(), at.Port)
			}
			return serve(c.Context(), listener, simulator.New(o))
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9000", "the address to listen on")
	f.StringVar(&faultsFile, "faults", "", "a YAML `file` of faults")
	f.StringVar(&state, "state", "", "a `file` that keeps what was accepted, over the end of this process")
	f.StringVar(&check, "check", "", "a `report`, or a run's folder, to hold against the ledger in --state")
	f.StringVar(&patients, "patients", "", "a JSON `file` of who has the NHS App: a list of nhsNumber and notificationsEnabled by ODS code")
	f.Float64Var(&hasten, "hasten", 1, "what becomes of accepted messages, and the receipts of it, come so many times sooner than they would")
	f.BoolVar(&intermediary, "intermediary", false, "the NHS App takes on_behalf_of: the application is registered as an intermediary")
	f.StringVar(&jwks, "jwks", "", "a `file` of public keys (a JSON Web Key Set), as cohort auth keygen makes it")
	f.Uint64Var(&seed, "seed", 1, "another seed, other faults")
	campaignFlag(c, &campaignPath, "the campaign `file` whose keys to know")
	return c
}

// trust makes the simulator know a campaign's application, the keys of a JWKS, or both.
func trust(o *simulator.Options, campaignPath, jwks string) error {
	if jwks != "" {
		text, err := os.ReadFile(jwks)
		if err == nil {
			o.Keys, err = gateway.ReadJWKS(text)
		}
		if err != nil {
			return refusal.New("public_keys_unreadable", "cause", err)
		}
	}
	if campaignPath == "" {
		return nil
	}
	c, err := campaign.Load(campaignPath)
	if err != nil {
		return refusal.New("campaign_invalid", "cause", err)
	}
	if o.APIKey, err = sinks.CredentialsOf(c).APIKey(); err != nil {
		return refusal.New("api_key_unusable", "cause", err)
	}
	if jwks == "" {
		o.KeyID = c.Access().KeyID
		if o.PublicKey, err = sinks.CredentialsOf(c).PublicKey(); err != nil {
			return refusal.New("private_key_unusable", "cause", err)
		}
	}
	return nil
}

// serve serves until ctx is done.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func faultNames() string {
	var names []string
	for _, k := range faults.Kinds() {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ") + "."
}
