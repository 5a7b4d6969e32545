package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/refusal"
	"cohort/sinks"
)

func authCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "auth",
		Short: "Make the key pair of an application, and check that the service lets it in",
	}
	choice(c)
	c.AddCommand(authCheckCommand(), keygenCommand())
	return c
}

func authCheckCommand() *cobra.Command {
	var campaignPath string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check -c campaign.yaml",
		Short: "Sign in as a send would, and say precisely what is wrong",
		Long: `Check reads the keys, fetches an access token, and asks the service for a message that does
not exist, which it answers only to whom it lets in. Nothing is sent to anybody, and
nothing is made at the service. It says of each part what was found, and where one is
wrong what to do. Keys and tokens are never shown; keys are told apart by fingerprints.

Exit codes: 0 a send would be let in; 10 it would not, or nobody can say.
`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if campaignPath == "" {
				return refusal.New("auth_without_campaign")
			}
			c, err := campaign.Load(campaignPath)
			if err != nil {
				return refusal.New("campaign_invalid", "cause", err)
			}
			if c.File != nil {
				return refusal.New("nothing_to_sign_in_to", "cause", c.Mistake("sink.file", "writes files and signs in nowhere: there is nothing to check; cohort send -c "+campaignPath+" writes them"))
			}
			found, err := sinks.Examine(cmd.Context(), c)
			if cmd.Context().Err() != nil {
				return &dispatch.Stopped{Code: "signal", Why: "stopped while checking; nothing was sent"}
			}
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				err = out.Encode(found)
			} else {
				found.Print(cmd.OutOrStdout())
			}
			if err == nil && !found.OK {
				err = refusal.New("sign_in_would_fail", "parts", found.Wrong())
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVarP(&campaignPath, "campaign", "c", "", "the campaign `file`")
	f.BoolVar(&asJSON, "json", false, "for programs")
	return c
}

func keygenCommand() *cobra.Command {
	var keyID, out string
	c := &cobra.Command{
		Use:   "keygen [--key-id ID] [--out DIR]",
		Short: "Make an RSA key pair, and the JWKS to register with the NHS API platform",
		Long: `Keygen makes an RSA key of 4096 bits and writes two files, named after the key id: the
private key (PKCS#8, readable by you alone) and the JWKS with its public half, which is what
the NHS API platform wants. It never overwrites a file.

Use another key id for each environment, and for each new key: with both registered the
old key serves until the campaign names the new one.
`,
		Example: `  cohort auth keygen
  cohort auth keygen --key-id prod-1 --out /etc/cohort/secrets`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			made, err := keygen(keyID, out)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), keygenWords, made.private, made.jwks, made.thumbprint, keyID, made.private, refusal.ShellWord(made.jwks))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&keyID, "key-id", "int-1", "the `name` under which the public key will be registered")
	f.StringVar(&out, "out", "secrets", "the `folder` to write to; made when it is not there")
	return c
}

const keygenWords = `private key  %s
             show it to nobody, and keep no copy where others can read it
JWKS         %s
             register it with the NHS API platform, for this application and environment
thumbprint   %s
             how cohort auth check names this key

In the campaign file, under sink.notify:
  key_id: %s
  private_key_file: %s

When it is registered: cohort auth check -c campaign.yaml
Before that, against a simulator: cohort simulate -c campaign.yaml --jwks %s
`
