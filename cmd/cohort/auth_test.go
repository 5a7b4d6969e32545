package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cohort/engine/refusal"
	"cohort/sinks"
	"cohort/sinks/simulator"
)

// spoil puts something else into the campaign file.
func (w *world) spoil(old, new string) {
	w.t.Helper()
	text, err := os.ReadFile(w.path("campaign.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		w.t.Fatalf("the campaign file has no %q", old)
	}
	w.write("campaign.yaml", strings.Replace(string(text), old, new, 1))
}

func (w *world) pem(name, kind string, der []byte, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// simulateTLS connects the world to a simulator behind TLS. A client needs ca.pem to trust the
// certificate. The certificate may name host or not.
func (w *world) simulateTLS(host string) {
	w.t.Helper()
	text, err := os.ReadFile(w.path("key.pem"))
	if err != nil {
		w.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(simulator.New(simulator.Options{APIKey: "an-application", KeyID: "test-1", PublicKey: &key.PublicKey}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a client breaks off
	s.StartTLS()
	w.t.Cleanup(s.Close)
	w.pem("ca.pem", "CERTIFICATE", s.Certificate().Raw, nil)
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	w.service = host + ":" + port
	w.campaign("pace: {per_second: 0}")
	w.spoil("http://", "https://")
	w.spoil("http://", "https://")
}

// examination asks auth check for what it finds, in both forms, and holds it to telling
// no secret.
func (w *world) examination() (found sinks.Findings, text exited) {
	w.t.Helper()
	text = w.run("auth", "check", "-c", "campaign.yaml")
	out := w.run("auth", "check", "-c", "campaign.yaml", "--json")
	if err := json.Unmarshal([]byte(out.stdout), &found); err != nil {
		w.t.Fatalf("%v: %s%s", err, out.stdout, out.stderr)
	}
	if out.code != text.code || found.OK != (out.code == 0) || len(found.Parts) != 8 {
		w.t.Errorf("exit codes %d and %d, ok %v, %d parts", text.code, out.code, found.OK, len(found.Parts))
	}
	for _, secret := range []string{"an-application", "another-application", "eyJ", "MII", "Bearer"} {
		if strings.Contains(text.stdout+text.stderr+out.stdout, secret) {
			w.t.Errorf("a secret is told: %s%s", text.stdout, text.stderr)
		}
	}
	return found, text
}

// The check finds each planted mistake of an operator, reports nothing else, and uses the same
// words as send.
func TestEveryMistakeIsFound(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	both := []string{"token_url", "base_url"}
	rows := []struct {
		sentence string
		faults   string
		plant    func(w *world)
		wrong    []string // the parts that are
		found    string
		todo     string
		begins   bool // send begins all the same, since it may pass by itself
	}{
		{"the key id is unknown", "", func(w *world) { w.spoil("test-1", "test-2") }, []string{"key id"}, "no matching public key", "register the public half", false},
		{"the key is of another pair", "", func(w *world) { w.key("key.pem") }, []string{"private key"}, "signature verification failed", "does not belong to the public key registered", false},
		{"the key is of an elliptic curve", "", func(w *world) {
			der, err := x509.MarshalPKCS8PrivateKey(curve)
			w.pem("key.pem", "PRIVATE KEY", der, err)
		}, []string{"private key"}, "is not an RSA key", "cohort auth keygen", false},
		{"the key has 1024 bits", "", func(w *world) {
			w.pem("key.pem", "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short), nil)
		}, []string{"private key"}, "RSA key of 1024 bits", "cohort auth keygen", false},
		{"the key is encrypted", "", func(w *world) { w.pem("key.pem", "ENCRYPTED PRIVATE KEY", []byte("sealed"), nil) }, []string{"private key"}, "is encrypted", "decrypt it: openssl pkey", false},
		{"the key is the public one", "", func(w *world) {
			der, err := x509.MarshalPKIXPublicKey(&short.PublicKey)
			w.pem("key.pem", "PUBLIC KEY", der, err)
		}, []string{"private key"}, "is a public key", "name the private key's file", false},
		{"the key's file is not there", "", func(w *world) { w.spoil("key.pem", "no-such.pem") }, []string{"private key"}, "no such file", "correct private_key_file in the campaign file", false},
		{"the API key is unknown", "", func(w *world) { w.write("api-key", "another-application\n") }, []string{"API key"}, "Invalid 'iss'/'sub'", "the one of this environment", false},
		{"the API key is empty", "", func(w *world) { w.write("api-key", "\n") }, []string{"API key"}, "is empty", "put the API key there", false},
		{"the API key has white space in it", "", func(w *world) { w.write("api-key", "an application\n") }, []string{"API key"}, "it has white space", "one word on one line", false},
		{"token_url is not what the service calls itself", "token_audience_401: 1", nil, []string{"token_url"}, "Missing or invalid 'aud'", "letter for letter", false},
		{"token_url has no such path", "", func(w *world) { w.spoil("/oauth2/token", "/oauth2/tokens") }, []string{"token_url"}, "the token endpoint answered 404", "there is no token endpoint at that address", false},
		{"nothing listens at token_url", "", func(w *world) { w.spoil(w.service+"/oauth2", freeAddress(w.t)+"/oauth2") }, []string{"token_url"}, "connection refused", "nothing listens at that port; check host and port in token_url", false},
		{"this machine's clock is ten minutes behind", "clock_ahead: {fixed: 10m}", nil, []string{"clock"}, "JWT has expired", "it is (59\\d|60\\d) s behind the service's, give or take [0-9.]+ s", false},
		{"this machine's clock is ten minutes ahead", "clock_behind: {fixed: 10m}", nil, []string{"clock"}, "more than 5 minutes in future", "it is (59\\d|60\\d) s ahead of the service's, give or take [0-9.]+ s", false},
		{"the JWKS cannot be reached", "token_jwks_403: 1", nil, []string{"key id"}, "JWKS endpoint", "the JWKS address that is registered", false},
		{"the token endpoint is broken", "token_endpoint_500: 1", nil, []string{"token"}, "the token endpoint answered 500", "the fault is in the platform", false},
		{"the application may not use the service", "token_refused: 1", nil, []string{"permission"}, "refuses every access token \\(401\\)", "allowed to use NHS Notify in this environment", false},
		{"the application is not onboarded", "not_onboarded: 1", nil, []string{"permission"}, "403 CM_FORBIDDEN", "ask NHS Notify onboarding", false},
		{"the account is banned", "banned: 1", nil, []string{"permission"}, "403 CM_SERVICE_BAN", "call NHS Notify before anything else", false},
		{"the service is asked too often", "quota_429: {share: 1, limit: 3}", nil, []string{"permission"}, "429 CM_QUOTA", "wait 1m0s and try again", true},
		{"base_url has another path", "", func(w *world) { w.spoil("/comms", "/comms/v1") }, []string{"base_url"}, "is not NHS Notify's: http://[^ ]*/comms/v1/_ping answered 401", "correct it", false},
		{"base_url is another service's", "", func(w *world) {
			other := httptest.NewServer(http.NotFoundHandler())
			w.t.Cleanup(other.Close)
			w.spoil("http://"+w.service+"/comms", other.URL)
		}, []string{"base_url"}, "is not NHS Notify's: http://[^ ]*/_ping answered 404", "correct it", false},
		{"nothing listens at base_url", "", func(w *world) { w.spoil(w.service+"/comms", freeAddress(w.t)+"/comms") }, []string{"base_url"}, "connection refused", "nothing listens at that port; check host and port in base_url", false},
		{"the certificate is from an unknown authority", "", func(w *world) { w.simulateTLS("127.0.0.1") }, both, "from an authority that this machine does not know", "ca_file", false},
		{"the certificate is another host's", "", func(w *world) {
			w.simulateTLS("localhost")
			w.spoil("key_id:", "ca_file: ca.pem\n    key_id:")
		}, both, "the certificate of another host", "check the host in token_url", false},
		{"the service does not speak TLS", "", func(w *world) {
			w.spoil("http://", "https://")
			w.spoil("http://", "https://")
		}, both, "does not speak TLS", "check the port in token_url", false},
	}
	base := newWorld(t)
	said := map[string]string{}
	for _, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			w := base.another(t)
			w.simulate(row.faults)
			w.campaign("pace: {per_second: 0}")
			if row.plant != nil {
				row.plant(w)
			}
			wanted, todo := regexp.MustCompile(row.found), regexp.MustCompile(row.todo)
			found, text := w.examination()
			if !text.refused("sign_in_would_fail") || !strings.Contains(text.stderr, "wrong: "+strings.Join(row.wrong, ", ")+" [") {
				t.Errorf("exit code %d: %s", text.code, text.stderr)
			}
			var wrong []string
			for _, p := range found.Parts {
				if p.State != sinks.StateWrong {
					continue
				}
				if wrong = append(wrong, string(p.Name)); len(wrong) > 1 {
					continue
				}
				if !wanted.MatchString(p.Found) || !todo.MatchString(p.Fix) || !wanted.MatchString(text.stdout) || !todo.MatchString(text.stdout) {
					t.Errorf("found: %s\nto do: %s\n%s", p.Found, p.Fix, text.stdout)
				}
				diagnosis := strings.NewReplacer(w.dir, "", w.service, "").Replace(p.Found + p.Fix)
				if before := said[diagnosis]; before != "" {
					t.Errorf("the same words as where %s", before)
				}
				said[diagnosis] = row.sentence
			}
			if !slices.Equal(wrong, row.wrong) {
				t.Errorf("wrong: %q\n%s", wrong, text.stdout)
			}

			w.write("cohort.csv", "nhs_number,given_name,appointment_date,clinic_name\n9990000018,Ann,2026-12-01,Leeds\n")
			sent := w.run("send", "-c", "campaign.yaml", "cohort.csv")
			if row.begins != (sent.code == 0) || !row.begins && (sent.code != refusal.ExitRefused || !wanted.MatchString(sent.stderr) || !todo.MatchString(sent.stderr)) {
				t.Errorf("send says (exit code %d): %s", sent.code, sent.stderr)
			}
		})
	}
}

func TestChecksWithoutAMistake(t *testing.T) {
	t.Parallel()
	base := newWorld(t)
	for _, row := range []struct {
		sentence string
		faults   string
		plant    func(w *world)
		says     string
	}{
		{"everything is right", "", nil, `clock +it agrees with the service's, give or take`},
		{"the clock is half a minute off, which the service takes", "clock_ahead: {fixed: 30s}", nil, `clock +it is (29|30|31) s behind the service's, give or take [^;]*; set it: the service accepts up to 60 s ahead and 240 s behind`},
		{"the service has a certificate of its own, and ca_file names it", "", func(w *world) {
			w.simulateTLS("127.0.0.1")
			w.spoil("key_id:", "ca_file: ca.pem\n    key_id:")
		}, `token_url +https://`},
		{"one token was revoked", "token_revoked: 1", nil, `permission +the service takes the token`},
		{"others may read the key", "", func(w *world) {
			if err := os.Chmod(w.path("key.pem"), 0o644); err != nil {
				w.t.Fatal(err)
			}
		}, `private key +.*key.pem, RSA, 2048 bits, thumbprint .*; other users may read it, so: chmod 600 .*key.pem`},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			w := base.another(t)
			w.simulate(row.faults)
			w.campaign("")
			if row.plant != nil {
				row.plant(w)
			}
			found, text := w.examination()
			for _, p := range found.Parts {
				if p.State != sinks.StateOK || p.Fix != "" {
					t.Errorf("%+v", p)
				}
			}
			if text.code != 0 || !regexp.MustCompile(row.says).MatchString(text.stdout) || !strings.Contains(text.stdout, "a send could sign in; nothing was sent\n") {
				t.Errorf("exit code %d: %s%s", text.code, text.stdout, text.stderr)
			}
			if row.plant == nil {
				if got := w.ledger(); len(got) != 0 {
					t.Errorf("%d people were sent to", len(got))
				}
			}
		})
	}
}

// The check reports several mistakes at once, unless one hides another.
func TestSeveralMistakesAtOnce(t *testing.T) {
	t.Parallel()
	base := newWorld(t)
	for _, row := range []struct {
		sentence string
		faults   string
		plant    func(w *world)
		want     string
	}{
		{"both keys and base_url", "", func(w *world) {
			w.spoil("/comms", "/coms")
			w.write("api-key", "")
			w.write("key.pem", "garbage")
		}, "private key wrong, API key wrong, token_url unknown, clock unknown, key id unknown, token unknown, base_url wrong, permission unknown"},
		{"the private key and the clock, which /_ping tells", "clock_behind: {fixed: 5m}", func(w *world) {
			w.write("key.pem", "garbage")
		}, "private key wrong, API key ok, token_url unknown, clock wrong, key id unknown, token unknown, base_url ok, permission unknown"},
		{"the API key, and a clock that will do", "clock_ahead: {fixed: 2m}", func(w *world) {
			w.write("api-key", "another-application")
		}, "private key ok, API key wrong, token_url ok, clock ok, key id unknown, token unknown, base_url ok, permission unknown"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			w := base.another(t)
			w.simulate(row.faults)
			w.campaign("")
			row.plant(w)
			found, text := w.examination()
			var states []string
			for _, p := range found.Parts {
				states = append(states, fmt.Sprintf("%s %s", p.Name, p.State))
				if (p.State == sinks.StateWrong) != (p.Fix != "") {
					t.Errorf("what is to be done about %s: %q", p.Name, p.Fix)
				}
			}
			if got := strings.Join(states, ", "); got != row.want || text.code != refusal.ExitRefused {
				t.Errorf("%s\n%s", got, text.stdout)
			}
		})
	}
}
