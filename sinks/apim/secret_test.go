package apim_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cohort/sinks/apim"
)

// script writes a program and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := file(t, "print-it", []byte("#!/bin/sh\n"+text+"\n"))
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestACommandPrintsTheAPIKey(t *testing.T) {
	t.Setenv("COHORT_TEST_LOGIN", "logged-in")
	for _, row := range []struct {
		sentence string
		text     string
		want     string // "": an error
		says     string
	}{
		{"it prints the key", `echo "$1-$2"`, "an-api-$(key);", ""},
		{"it gets the environment", `echo "$COHORT_TEST_LOGIN"`, "logged-in", ""},
		{"it has no standard input", `cat; echo key`, "key", ""},
		{"it complains and prints the key", `echo an-api-key-that-nobody-may-see >&2; echo key`, "key", ""},
		{"it prints nothing", `true`, "", "is empty"},
		{"it prints a table", `echo "Name Key"; echo a b`, "", "has white space"},
		{"it fails, and shows the key", `echo an-api-key-that-nobody-may-see; echo error: an-api-key-that-nobody-may-see >&2; exit 3`, "", "exit status 3; it wrote 38 bytes to standard error, which are not shown"},
		{"it prints as much as it may", `head -c 65534 /dev/zero | tr '\0' k`, strings.Repeat("k", 65534), ""},
		{"it prints too much", `head -c 65537 /dev/zero | tr '\0' k`, "", "it prints more than 64 kB"},
		{"it never ends to print", `yes an-api-key-that-nobody-may-see`, "", "it prints more than 64 kB"},
		{"a child of it keeps the output open", `echo key; sleep 300 &`, "", "a child of it keeps its standard output open"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			who := apim.Credentials{APIKeyCommand: []string{script(t, row.text), "an-api", "$(key);"}}
			got, err := who.APIKey()
			if got != row.want || (err == nil) != (row.want != "") {
				t.Errorf("%.80q, %v", got, err)
			}
			if row.want == "" {
				oneLineWithoutSecrets(t, err, "api_key_command", "an-api", "$(key)")
				if !strings.Contains(err.Error(), row.says) {
					t.Errorf("it does not say %q: %v", row.says, err)
				}
			}
		})
	}
	_, err := apim.Credentials{APIKeyCommand: []string{"no-such-program-at-all", "secret-word"}}.APIKey()
	oneLineWithoutSecrets(t, err, "no-such-program-at-all", "secret-word")
}

// A file that this process has inherited, as from a supervisor, is closed in the command.
func TestACommandInheritsNoFiles(t *testing.T) {
	secret, err := os.Open(file(t, "secret", []byte("secret")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = secret.Close() }()
	inherited, err := syscall.Dup(int(secret.Fd())) // without the mark that closes it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(inherited) }()
	who := apim.Credentials{APIKeyCommand: []string{script(t, `[ -e /proc/$$/fd/`+strconv.Itoa(inherited)+` ] && echo open || echo closed`)}}
	if got, err := who.APIKey(); got != "closed" {
		t.Errorf("%s %v", got, err)
	}
}

func TestACommandIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	children := filepath.Join(t.TempDir(), "children")
	who := apim.Credentials{PrivateKeyCommand: []string{script(t, `sleep 300 & echo $! > `+children+`; echo $$ >> `+children+`; wait`)}}
	_, err := who.PublicKey()
	oneLineWithoutSecrets(t, err, "private_key_command): it did not end within 10s and was killed")
	text, err := os.ReadFile(children)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(text)) {
		pid, _ := strconv.Atoi(child)
		for deadline := time.Now().Add(time.Minute); syscall.Kill(pid, 0) == nil && !isZombie(pid); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d lives on", pid)
			}
		}
	}
}

// isZombie reports whether a process is dead, and nobody has asked for its end.
func isZombie(pid int) bool {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return strings.Contains(string(text), ") Z ")
}

func TestACommandPrintsThePrivateKey(t *testing.T) {
	e := newEndpoint(t)
	who := credentials(t)
	key := who.PrivateKeyFile
	who.PrivateKeyFile, who.PrivateKeyCommand = "", []string{"cat", key}
	c := newClock()
	tokens := apim.NewTokens(apim.Options{TokenURL: e.URL, Credentials: who, Client: client(t, ""), Now: c.Now})
	token(t, tokens)
	replace(t, key, []byte("this is not a key"))
	c.pass(10 * time.Minute) // the command runs again with the next token
	_, err := tokens.Token(t.Context())
	oneLineWithoutSecrets(t, err, "private_key_command (cat) is not a private key in PEM form")
}

func TestCredentialsOfSystemdThatAreNotThere(t *testing.T) {
	_, err := apim.Credentials{APIKeyFile: "$CREDENTIALS_DIRECTORY/api-key"}.APIKey()
	oneLineWithoutSecrets(t, err, "$CREDENTIALS_DIRECTORY/api-key needs the environment variable CREDENTIALS_DIRECTORY")
}

// A key that is refused in mid-run is read again. Another one counts when the platform accepts it, and only TakeUp
// brings it into use.
func TestAnAPIKeyThatIsRefusedInMidRun(t *testing.T) {
	e := newEndpoint(t)
	good := apiKey
	e.says(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		claims := jwt.MapClaims{}
		_, _, err := jwt.NewParser().ParseUnverified(r.FormValue("client_assertion"), claims)
		if err == nil && claims["iss"] == good {
			return false
		}
		w.WriteHeader(401)
		_, _ = w.Write([]byte(`{"error":"invalid_request","error_description":"Invalid 'iss'/'sub' claims in client_assertion JWT"}`))
		return true
	})
	who, c := credentials(t), newClock()
	tokens := apim.NewTokens(apim.Options{TokenURL: e.URL, Credentials: who, Client: client(t, ""), Now: c.Now})
	fails := func(worked, replaced bool, says string) {
		t.Helper()
		c.pass(time.Hour)
		_, err := tokens.Token(t.Context())
		oneLineWithoutSecrets(t, err, says, "key-2", "key-3")
		if e, ok := errors.AsType[*apim.TokenError](err); !ok || e.Worked != worked || e.Replaced != replaced {
			t.Errorf("%+v", err)
		}
	}
	good = "key-2"
	replace(t, who.APIKeyFile, []byte("key-3"))
	fails(false, false, "check that the API key is the one of this environment") // nothing has worked yet
	good = "key-3"
	token(t, tokens)

	good = "key-2"
	fails(true, false, "waiting for another API key from "+who.APIKeyFile)
	replace(t, who.APIKeyFile, []byte("key-4"))
	fails(true, false, "waiting for another API key from "+who.APIKeyFile) // that is no key either
	replace(t, who.APIKeyFile, []byte("key-2"))
	fails(false, true, who.APIKeyFile+" has another one")
	good = "key-3"
	c.pass(time.Hour)
	token(t, tokens) // the old key is back, and it was never given up
	good = "key-2"
	before, _ := tokens.Fingerprint()
	tokens.TakeUp()
	if after, err := tokens.Fingerprint(); err != nil || after == before {
		t.Errorf("%s %v", after, err)
	}
	token(t, tokens)
}

// Callers that wait for an exchange share its failure too: a command that takes long does not run once for each.
func TestAHundredCallersShareAFailure(t *testing.T) {
	e := newEndpoint(t)
	tokens := e.tokens(t, nil)
	gate := make(chan struct{})
	e.says(func(_ int, w http.ResponseWriter, _ *http.Request) bool { <-gate; w.WriteHeader(500); return true })
	var callers, waiting sync.WaitGroup
	waiting.Add(100)
	for range 100 {
		callers.Go(func() {
			waiting.Done()
			if _, err := tokens.Token(t.Context()); err == nil {
				t.Error("there is a token")
			}
		})
	}
	waiting.Wait()
	time.Sleep(50 * time.Millisecond) // so that nearly all of them wait
	close(gate)
	callers.Wait()
	if n := e.asked(); n > 50 { // a caller that came late asks again
		t.Errorf("%d exchanges", n)
	}
}
