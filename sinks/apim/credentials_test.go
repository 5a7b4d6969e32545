package apim_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/sinks/apim"
)

func replace(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// oneLineWithoutSecrets checks that an error may be shown to anybody. It is one line that
// names the file, and neither key, nor token, nor assertion.
func oneLineWithoutSecrets(t *testing.T, err error, names string, more ...string) {
	t.Helper()
	if err == nil {
		t.Error("there is no error")
		return
	}
	text := err.Error()
	if strings.ContainsAny(text, "\r\n") || len(text) > 600 || !strings.Contains(text, names) {
		t.Errorf("not one line that names %q: %s", names, text)
	}
	der := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(signingKey()))
	for _, secret := range append([]string{apiKey, "eyJ", der[:40], der[100:140], "token-"}, more...) {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in: %s", text)
		}
	}
}

func TestWrongKindsOfKeyFiles(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&signingKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	good := pkcs8(t, signingKey())
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	e := newEndpoint(t)
	for _, row := range []struct {
		sentence string
		text     []byte
		says     string
	}{
		{"an elliptic curve key in PKCS#8", pkcs8(t, curve), "not an RSA key"},
		{"an elliptic curve key in SEC 1", encode("EC PRIVATE KEY", sec1), "not an RSA key"},
		{"the public key", encode("PUBLIC KEY", public), "is a public key"},
		{"the public key in PKCS#1", encode("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&signingKey().PublicKey)), "is a public key"},
		{"a certificate", encode("CERTIFICATE", []byte("signed")), "is a certificate"},
		{"an encrypted key", encode("ENCRYPTED PRIVATE KEY", []byte("sealed")), "is encrypted"},
		{"an encrypted key of the old kind", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("sealed")}), "is encrypted"},
		{"a key of 1024 bits", pkcs8(t, short), "is an RSA key of 1024 bits, and RS512 needs at least 2048"},
		{"garbage", []byte("this is not a key"), "is not a private key in PEM form"},
		{"an empty file", nil, "is empty"},
		{"the key without its armour", signingDER(t), "PEM"},
		{"the armour around garbage", encode("PRIVATE KEY", []byte("garbage")), "is it damaged"},
		{"half of the key", good[:len(good)/2], "PEM"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			who := credentials(t)
			who.PrivateKeyFile = file(t, "spoilt.pem", row.text)
			_, err := apim.NewTokens(apim.Options{TokenURL: e.URL, Credentials: who, Client: client(t, "")}).Token(t.Context())
			if e, ok := errors.AsType[*apim.TokenError](err); !ok || !e.Permanent() || e.Status != 0 {
				t.Errorf("%v", err)
			}
			oneLineWithoutSecrets(t, err, who.PrivateKeyFile)
			if !strings.Contains(err.Error(), row.says) {
				t.Errorf("it does not say %q: %v", row.says, err)
			}
		})
	}
	t.Run("a missing file", func(t *testing.T) {
		who := credentials(t)
		who.PrivateKeyFile = filepath.Join(t.TempDir(), "missing.pem")
		_, err := apim.NewTokens(apim.Options{TokenURL: e.URL, Credentials: who, Client: client(t, "")}).Token(t.Context())
		oneLineWithoutSecrets(t, err, who.PrivateKeyFile)
		if e, ok := errors.AsType[*apim.TokenError](err); !ok || !e.Permanent() || !strings.Contains(err.Error(), "private_key_file") {
			t.Errorf("%v", err)
		}
	})
	if n := e.asked(); n != 0 {
		t.Errorf("the token endpoint was asked %d times without a key", n)
	}
}

func signingDER(t *testing.T) []byte {
	t.Helper()
	block, _ := pem.Decode(pkcs8(t, signingKey()))
	return block.Bytes
}

func TestWhereTheAPIKeyComesFrom(t *testing.T) {
	const variable = "COHORT_TEST_API_KEY"
	for _, row := range []struct {
		sentence string
		inFile   string // "-": no such file
		inEnv    string // "-": not named
		want     string // "": an error
	}{
		{"a file with one line", "abc\n", "-", "abc"},
		{"a file with CRLF and blanks around", "  abc \r\n", "-", "abc"},
		{"the environment", "-", "abc", "abc"},
		{"the environment goes before the file", "other", " abc ", "abc"},
		{"an empty variable is no reason to take the file", "abc", "", ""},
		{"an empty file", "", "-", ""},
		{"a file of blanks", " \n\n", "-", ""},
		{"a file with two words", "abc def", "-", ""},
		{"a file with two lines", "abc\ndef\n", "-", ""},
		{"a file with a byte order mark", "\ufeffabc", "-", ""},
		{"a variable with two words", "-", "abc def", ""},
		{"a missing file", "-", "-", ""},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			who := apim.Credentials{APIKeyFile: filepath.Join(t.TempDir(), "api.key")}
			if row.inFile != "-" {
				replace(t, who.APIKeyFile, []byte(row.inFile))
			}
			names := who.APIKeyFile
			if row.inEnv != "-" {
				who.APIKeyEnv = variable
				t.Setenv(variable, row.inEnv)
				names = variable
			}
			got, err := who.APIKey()
			if got != row.want || (err == nil) != (row.want != "") {
				t.Errorf("%q, %v", got, err)
			}
			if err != nil {
				oneLineWithoutSecrets(t, err, names, "abc", "def")
				if _, err := apim.NewTokens(apim.Options{Credentials: who}).Fingerprint(); err == nil {
					t.Error("there is a fingerprint of no key")
				}
			}
		})
	}
}

func TestAFingerprintTellsKeysApartAndNotWhatTheyAre(t *testing.T) {
	print := func(key string) string {
		text, err := apim.NewTokens(apim.Options{Credentials: apim.Credentials{APIKeyFile: file(t, "api.key", []byte(key))}}).Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if a, again, b := print("abc\n"), print(" abc"), print("abd"); a != again || a == b || a != "ba7816bf8f01cfea" {
		t.Errorf("%s %s %s", a, again, b)
	}
}

func TestNoSecretIsInAnError(t *testing.T) {
	e := newEndpoint(t)
	for _, row := range []struct {
		sentence string
		answer   func(w http.ResponseWriter, r *http.Request)
	}{
		{"the endpoint repeats the assertion", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"error":"invalid_request","error_description":"bad assertion ` + r.FormValue("client_assertion") + `"}`))
		}},
		{"the endpoint repeats the API key", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"no application ` + apiKey + ` here"}`))
		}},
		{"the endpoint tells a long story in lines", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(`{"error_description":"` + strings.Repeat(`at some place\n`, 300) + `"}`))
		}},
		{"the endpoint tells a short story in lines", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(`{"error_description":"one\ntwo"}`))
		}},
		{"the endpoint tells a long story in one line", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = w.Write([]byte(`{"error_description":"` + strings.Repeat("long ", 300) + `"}`))
		}},
		{"the endpoint answers in HTML", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(502)
			_, _ = w.Write([]byte("<html>" + r.FormValue("client_assertion")))
		}},
		{"the token comes without its life", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"access_token":"token-secret"}`))
		}},
		{"the token breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write([]byte(`{"access_token":"token-secret`))
		}},
		{"the endpoint sends us elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?client_assertion="+r.FormValue("client_assertion"), http.StatusFound)
		}},
		{"the endpoint hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			e.says(func(_ int, w http.ResponseWriter, r *http.Request) bool { row.answer(w, r); return true })
			before := e.asked()
			_, err := e.tokens(t, nil).Token(t.Context())
			oneLineWithoutSecrets(t, err, "", "token-secret")
			if n := e.asked() - before; n != 1 {
				t.Errorf("the endpoint was asked %d times", n)
			}
		})
	}
	e.Close()
	_, err := e.tokens(t, nil).Token(t.Context())
	oneLineWithoutSecrets(t, err, "does not answer")
	if e, ok := errors.AsType[*apim.TokenError](err); !ok || e.Permanent() {
		t.Errorf("%v", err)
	}
}
