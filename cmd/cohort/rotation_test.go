package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cohort/fixtures"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/gateway"
)

// vault is a world with a simulator whose keys a test renews, and with a store of keys.
type vault struct {
	*world
	service *simulator.Server
	knows   gateway.Credentials
	cut     atomic.Bool // answers to messages get lost
	said    string      // the file with what the send says
}

// vault makes the world for a campaign that takes its keys from places.
func (w *world) vault(t *testing.T, places string) *vault {
	t.Helper()
	v := &vault{world: w.another(t)}
	v.knows = gateway.Credentials{APIKey: "an-application", KeyID: "test-1", PublicKey: v.public()}
	v.service = simulator.New(simulator.Options{APIKey: v.knows.APIKey, KeyID: v.knows.KeyID, PublicKey: v.knows.PublicKey, Seed: 7})
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if v.cut.Load() && strings.HasSuffix(r.URL.Path, "/v1/message-batches") {
			v.service.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		v.service.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	v.world.service = strings.TrimPrefix(server.URL, "http://")
	v.write("print-key", "#!/bin/sh\n[ $# = 1 ] || exit 1\necho \"printing $1\" >&2\ncat \"$1\" | tee /dev/stderr\n")
	if err := os.Chmod(v.path("print-key"), 0o700); err != nil {
		t.Fatal(err)
	}
	v.paced("pace: {per_second: 400}")
	v.spoil("    api_key_file: api-key\n", "")
	v.spoil("    private_key_file: key.pem\n", places)
	v.said = v.path("said")
	return v
}

// public is the public half of key.pem.
func (v *vault) public() *rsa.PublicKey {
	v.t.Helper()
	block, _ := pem.Decode([]byte(v.reads("key.pem")))
	return &Must(x509.ParsePKCS1PrivateKey(block.Bytes)).PublicKey
}

func (v *vault) reads(name string) string {
	v.t.Helper()
	return string(Must(os.ReadFile(v.path(name))))
}

// send starts a send of a cohort, and waits until the service has some of it.
func (v *vault) send(people int, more ...string) (*exec.Cmd, fixtures.Truth) {
	v.t.Helper()
	truth := v.generate(people, 0.01)
	c := v.begin(append([]string{"send", "-c", "campaign.yaml", "cohort.csv", "--run", v.path("run")}, more...)...)
	v.more(100)
	return c, truth
}

func (v *vault) begin(args ...string) *exec.Cmd {
	v.t.Helper()
	out := Must(os.Create(v.said))
	defer func() { _ = out.Close() }()
	c := exec.Command(v.binary, args...)
	c.Dir, c.Stderr = v.dir, out
	if err := c.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

func (v *vault) accepted() int { return v.service.Stats().MessagesAccepted }

func (v *vault) more(messages int) {
	v.t.Helper()
	had := v.accepted()
	v.await("more messages are accepted", func() bool { return v.accepted() >= had+messages })
}

func (v *vault) says(words string) {
	v.t.Helper()
	defer func() {
		if v.t.Failed() {
			v.t.Log(v.reads("said"))
		}
	}()
	v.await("the send says: "+words, func() bool { return strings.Contains(v.reads("said"), words) })
}

func (v *vault) ends(c *exec.Cmd, code int) string {
	v.t.Helper()
	hung := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Signal(syscall.SIGQUIT) })
	defer hung.Stop()
	_ = c.Wait()
	said := v.reads("said")
	for _, secret := range []string{"an-application", "another-application", "PRIVATE KEY", "printing"} {
		if strings.Contains(said, secret) {
			v.t.Errorf("%q is shown in: %s", secret, said)
		}
	}
	if c.ProcessState.ExitCode() != code {
		v.t.Fatalf("exit %d, not %d: %s", c.ProcessState.ExitCode(), code, said)
	}
	return said
}

// The drill of docs/secrets.md: the service refuses the old keys from a moment on, and the new ones come later.
func TestKeysAreReplacedInMidRun(t *testing.T) {
	t.Parallel()
	base := newWorld(t)
	t.Run("not while a batch is in doubt", func(t *testing.T) {
		t.Parallel()
		base.vault(t, "    api_key_file: api-key\n    private_key_file: key.pem\n").keepsTheKeyInDoubt()
	})
	for name, places := range map[string]string{
		"by file":    "    api_key_file: api-key\n    private_key_file: key.pem\n",
		"by command": "    api_key_command: [./print-key, api-key]\n    private_key_command: [./print-key, key.pem]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := base.vault(t, places)
			c, truth := v.send(3000)

			old := v.reads("key.pem")
			v.key("new.pem")
			v.write("key.pem", v.reads("new.pem"))
			v.knows.PublicKey = v.public()
			v.write("key.pem", old)
			v.service.Know(v.knows)
			v.says("JWT signature verification failed; waiting for another private key from ")
			had := v.accepted()
			v.write("key.pem", v.reads("new.pem"))
			v.await("the run goes on", func() bool { return v.accepted() > had })
			v.more(100)

			v.knows.APIKey = "another-application"
			v.service.Know(v.knows)
			v.says("Invalid 'iss'/'sub' claims in client_assertion JWT; waiting for another API key from ")
			v.await("status says it too", func() bool {
				return strings.Contains(v.run("status", "run").stdout, "waiting for another API key from ")
			})
			v.write("api-key", "another-application\n")

			said := v.ends(c, 0)
			if !strings.Contains(said, "the API key was replaced: the run starts again with the new one") {
				t.Error(said)
			}
			v.onceEach(truth)
			if opened := strings.Count(v.run("log", "dump", "run").stdout, "run_opened"); opened != 2 {
				t.Errorf("the log has %d starts", opened)
			}
		})
	}
}

// keepsTheKeyInDoubt: a batch in doubt was sent with the old key. Another application would take it again, so the run stops and sends nothing
// with the new key. With the old one it goes on.
func (v *vault) keepsTheKeyInDoubt() {
	t := v.t
	c, truth := v.send(3000, "--log-format", "json")
	old := v.knows
	v.cut.Store(true)
	v.says("a request is in doubt and will be replayed")
	v.write("api-key", "another-application\n")
	v.knows.APIKey = "another-application"
	v.service.Know(v.knows)
	v.cut.Store(false)
	said := v.ends(c, 3)
	events := eventNames(t, said)
	for _, name := range []string{"sending", "answer_in_doubt", "key_replaced"} {
		if !slices.Contains(events, name) {
			t.Errorf("no line is about %s: %s", name, said)
		}
	}
	var last struct{ Event, Msg, Code, Command, Run string }
	lines := strings.Split(strings.TrimSpace(said), "\n")
	Must(0, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	if last.Event != "halted" || !strings.HasPrefix(last.Msg, "the run cannot go on with the new API key: the API key has changed") || last.Code != "key_changed" || last.Command != v.binary+" resume "+v.path("run") {
		t.Errorf("%+v", last)
	}
	if status := v.run("status", "run"); !strings.Contains(status.stdout, "halted") {
		t.Errorf("the status is %s", status.stdout)
	}
	had := v.accepted()
	if refused := v.run("resume", "run"); !refused.refused("key_changed") || v.accepted() != had {
		t.Errorf("exit %d, %d more messages: %s", refused.code, v.accepted()-had, refused.stderr)
	}
	v.write("api-key", old.APIKey)
	v.service.Know(old)
	v.ends(v.begin("resume", "run"), 0)
	v.onceEach(truth)
}
