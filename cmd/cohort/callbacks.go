package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/callbacks"
	"cohort/cmd/internal/commandline"
	"cohort/engine/refusal"
)

func callbacksCommand() *cobra.Command {
	var call callbacks.Command
	c := &cobra.Command{
		Use:   "callbacks -c campaign.yaml --listen ADDRESS",
		Short: "Receive what the services say about accepted messages",
		Long: `Callbacks receives the callbacks of NHS Notify and of the NHS App, for all runs in a folder, and
keeps them in its inbox RUNS/.callbacks. It runs beside sends, on its own, for as long as callbacks
may come. It may be restarted at any time: the services repeat a callback that was not taken.

In the campaign file, callbacks says what it trusts. Each callback is checked, stored and synced,
and only then answered. The page docs/callbacks.md says how to set it up, and what each answer
means.

The certificate should be an ECDSA one: the services make a new connection for each callback.
Renewed files of certificates and API keys are used without a restart. Without a certificate it
listens on this machine only, or with --behind-proxy. Then the paths that rest on a client
certificate are off: responses, and those of the NHS App.

SIGTERM or Ctrl-C ends it: callbacks under way are answered, later ones get 503.

Exit codes: 0 ended by a signal; 10 it could not start.
`,
		Example: `  cohort callbacks -c campaign.yaml --listen :8443 --tls-cert cert.pem --tls-key key.pem
  cohort callbacks -c campaign.yaml --listen 127.0.0.1:8080 --behind-proxy`,
		Args: commandline.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if call.Campaign == "" || call.Listen == "" {
				return refusal.New("callbacks_flags_missing")
			}
			call.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return call.Run(cmd.Context())
		},
	}
	f := c.Flags()
	commandline.CampaignFlag(c, &call.Campaign, "the campaign `file` that says what is trusted")
	f.StringVar(&call.Runs, "runs", "runs", "the `folder` of the runs' folders")
	f.StringVar(&call.Listen, "listen", "", "the `address` to listen on, such as :8443")
	f.StringVar(&call.Cert, "tls-cert", "", "a PEM `file` with the server's certificate, and those between it and its authority")
	f.StringVar(&call.Key, "tls-key", "", "a PEM `file` with its private key")
	f.BoolVar(&call.BehindProxy, "behind-proxy", false, "a proxy in front ends TLS: listen anywhere without a certificate")
	call.Metrics.Flags(f)
	return c
}
