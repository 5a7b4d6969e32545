package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/intake"
	"cohort/engine/dispatch"
	"cohort/engine/refusal"
	"cohort/sinks"
	"cohort/sinks/apim"
)

func authCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "auth",
		Short: "Make the key pair of an application, and check that it can sign in",
	}
	commandline.Choice(c)
	c.AddCommand(authCheckCommand(), keygenCommand())
	return c
}

func authCheckCommand() *cobra.Command {
	var campaignPath string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check -c campaign.yaml",
		Short: "Sign in as a send would, and say what is wrong",
		Long: `Check reads the keys, fetches an access token, and asks the service for a message that does
not exist. Nothing is sent to anybody, and nothing changes at the service. For each part it
says what was found and, if it is wrong, what to do. Keys and tokens are never shown;
fingerprints tell keys apart.

Exit codes: 0 a send could sign in; 10 it could not, or nobody can say.
`,
		Args: commandline.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if campaignPath == "" {
				return refusal.New("auth_without_campaign")
			}
			c, err := intake.LoadCampaign(campaignPath)
			if err != nil {
				return err
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
			err = commandline.Show(cmd, asJSON, found)
			if err == nil && !found.OK {
				err = refusal.New("sign_in_would_fail", "parts", found.Wrong())
			}
			return err
		},
	}
	f := c.Flags()
	commandline.CampaignFlag(c, &campaignPath, "the campaign `file`")
	f.BoolVar(&asJSON, "json", false, "for programs")
	return c
}

func keygenCommand() *cobra.Command {
	var keyID, out string
	c := &cobra.Command{
		Use:   "keygen [--key-id ID] [--out DIR]",
		Short: "Make an RSA key pair, and the JWKS to register with the NHS API platform",
		Long: `Keygen makes an RSA key of 4096 bits. It writes two files, named after the key id: the private
key (PKCS#8, readable by you only), and the JWKS with the public key, for the NHS API platform.
It never overwrites a file.

Use another key id for each environment and each new key. While both keys are registered, the
old one works until the campaign names the new one.
`,
		Example: `  cohort auth keygen
  cohort auth keygen --key-id prod-1 --out /etc/cohort/secrets`,
		Args: commandline.Arguments(cobra.NoArgs),
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
	f.StringVar(&keyID, "key-id", "int-1", "the `name` of the public key at the platform")
	f.StringVar(&out, "out", "secrets", "the `folder` to write to; it is made if it is missing")
	return c
}

const keygenWords = `private key  %s
             show it to nobody, and keep copies only where nobody else can read them
JWKS         %s
             register it with the NHS API platform, for this application and environment
thumbprint   %s
             cohort auth check shows it for this key

In the campaign file, under sink.notify:
  key_id: %s
  private_key_file: %s

When it is registered: cohort auth check -c campaign.yaml
Before that, against a simulator: cohort simulate -c campaign.yaml --jwks %s
`

type made struct{ private, jwks, thumbprint string }

// keygen makes a key pair and writes it to a folder. After a failure only the folder stays.
func keygen(keyID, dir string) (made, error) {
	if !apim.IsKeyID(keyID) {
		return made{}, refusal.New("key_id_wrong", "key_id", keyID)
	}
	m := made{private: filepath.Join(dir, keyID+".pem"), jwks: filepath.Join(dir, keyID+".jwks.json")}
	for _, path := range []string{m.private, m.jwks} { // before the work of making a key
		if _, err := os.Lstat(path); err == nil {
			return made{}, refusal.New("key_exists", "file", path)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return made{}, refusal.New("key_folder_unmakeable", "cause", err)
	}
	pair, err := apim.NewKeyPair(keyID)
	if err != nil {
		return made{}, err
	}
	if err := create(m.private, pair.Private, 0o600); err != nil {
		return made{}, err
	}
	if err := create(m.jwks, pair.JWKS, 0o644); err != nil {
		_ = os.Remove(m.private)
		return made{}, err
	}
	m.thumbprint = apim.Thumbprint(pair.Public)
	return m, nil
}

func create(path string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return refusal.New("key_exists", "file", path)
	}
	if err != nil {
		return refusal.New("key_not_created", "cause", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
		return refusal.New("key_unwritable", "cause", err)
	}
	return nil
}
