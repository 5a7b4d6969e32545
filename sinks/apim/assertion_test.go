package apim_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cohort/sinks/apim"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
)

// strict is a simulator that checks signatures and knows one application.
func strict(t *testing.T, o simulator.Options) *httptest.Server {
	t.Helper()
	o.APIKey, o.KeyID, o.PublicKey = apiKey, keyID, &signingKey().PublicKey
	s := httptest.NewServer(simulator.New(o))
	t.Cleanup(s.Close)
	return s
}

// A GET of the batches' address is 405 for whoever is signed in and 401 for others.
func status(t *testing.T, via http.RoundTripper, service string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, service+"/comms/v1/message-batches", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := via.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestTheServiceSignsUsIn(t *testing.T) {
	for sentence, key := range map[string][]byte{"PKCS#8": pkcs8(t, signingKey()), "PKCS#1": pkcs1(signingKey())} {
		t.Run(sentence, func(t *testing.T) {
			service := strict(t, simulator.Options{})
			who := credentials(t)
			who.PrivateKeyFile = file(t, "key.pem", key)
			web := client(t, "")
			via := &apim.Transport{Tokens: apim.NewTokens(apim.Options{TokenURL: service.URL + "/oauth2/token", Credentials: who, Client: web}), Base: web.Transport}
			if got := status(t, web.Transport, service.URL); got != 401 {
				t.Fatalf("without a token: %d", got)
			}
			for range 3 {
				if got := status(t, via, service.URL); got != 405 {
					t.Errorf("signed in: %d", got)
				}
			}
		})
	}
}

func TestTheServiceSaysWhyItDoesNotSignUsIn(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		sentence string
		spoil    func(t *testing.T, o *apim.Options)
		status   int
		fix      string // a part of what to do; empty: trying again may help
	}{
		{"the key id is not registered", func(_ *testing.T, o *apim.Options) { o.Credentials.KeyID = "test-2" }, 401, "key_id"},
		{"the key id is empty", func(_ *testing.T, o *apim.Options) { o.Credentials.KeyID = "" }, 400, "key_id"},
		{"the private key is another", func(t *testing.T, o *apim.Options) {
			o.Credentials.PrivateKeyFile = file(t, "other.pem", pkcs8(t, other))
		}, 401, "private_key_file"},
		{"the API key is another", func(t *testing.T, o *apim.Options) {
			o.Credentials.APIKeyFile = file(t, "other.key", []byte("another"))
		}, 401, "API key"},
		{"the clock is an hour slow", func(_ *testing.T, o *apim.Options) {
			o.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		}, 400, "clock"},
		{"the clock is an hour fast", func(_ *testing.T, o *apim.Options) {
			o.Now = func() time.Time { return time.Now().Add(time.Hour) }
		}, 400, "clock"},
		{"the token's address has a host of another name", func(_ *testing.T, o *apim.Options) {
			o.Client = &http.Client{Transport: renamed{base: o.Client.Transport}}
		}, 401, "token_url"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			service := strict(t, simulator.Options{})
			o := apim.Options{TokenURL: service.URL + "/oauth2/token", Credentials: credentials(t), Client: client(t, "")}
			row.spoil(t, &o)
			_, err := apim.NewTokens(o).Token(t.Context())
			e, ok := errors.AsType[*apim.TokenError](err)
			if !ok || e.Status != row.status || !e.Permanent() || !strings.Contains(e.Fix, row.fix) {
				t.Errorf("%v (%+v)", err, e)
			}
			oneLineWithoutSecrets(t, err, "")
		})
	}
}

// renamed has the service see another host than the one that was signed for.
type renamed struct{ base http.RoundTripper }

func (r renamed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Host = "elsewhere.example"
	return r.base.RoundTrip(req)
}

func TestWhatTheAssertionSays(t *testing.T) {
	c := newClock()
	e := newEndpoint(t)
	tokens := e.tokens(t, c)
	jtis := map[string]bool{}
	const exchanges = 5
	var forms []string
	e.says(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		forms = append(forms, r.Method+" "+r.Header.Get("Content-Type")+" "+r.FormValue("grant_type")+" "+r.FormValue("client_assertion_type"))
		if len(r.Form) != 3 {
			t.Errorf("the form has %d fields", len(r.Form))
		}
		return false
	})
	for range exchanges {
		token(t, tokens)
		assertion := e.assertions[len(e.assertions)-1]
		claims := jwt.MapClaims{}
		// The library checks the signature, and with its own rules that exp is not past.
		parsed, err := jwt.ParseWithClaims(assertion, claims, func(*jwt.Token) (any, error) { return &signingKey().PublicKey, nil },
			jwt.WithValidMethods([]string{"RS512"}), jwt.WithTimeFunc(c.Now), jwt.WithExpirationRequired())
		if err != nil {
			t.Fatal(err)
		}
		if len(parsed.Header) != 3 || parsed.Header["alg"] != "RS512" || parsed.Header["typ"] != "JWT" || parsed.Header["kid"] != keyID {
			t.Errorf("header %v", parsed.Header)
		}
		if claims["iss"] != apiKey || claims["sub"] != apiKey || claims["aud"] != e.URL+"/oauth2/token" {
			t.Errorf("claims %v", claims)
		}
		exp, whole := claims["exp"].(float64)
		ahead := time.Unix(int64(exp), 0).Sub(c.Now())
		if !whole || exp != float64(int64(exp)) || ahead > 4*time.Minute || ahead < time.Minute {
			t.Errorf("exp %v is %v ahead", claims["exp"], ahead)
		}
		jti, _ := claims["jti"].(string)
		if len(jti) < 16 || jtis[jti] {
			t.Errorf("jti %q", jti)
		}
		jtis[jti] = true
		c.pass(time.Hour)
	}
	for _, form := range forms {
		if form != "POST application/x-www-form-urlencoded client_credentials urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("the form is %s", form)
		}
	}
	if len(forms) != exchanges {
		t.Errorf("%d exchanges", len(forms))
	}
}

func TestAFailedExchangeIsTriedAgainWithAFreshJTI(t *testing.T) {
	for sentence, faults := range map[string]faults.Set{
		"the endpoint answers 500":       {faults.TokenEndpoint500: {Share: 1, Limit: 2}},
		"the endpoint cannot reach keys": {faults.TokenJWKS403: {Share: 1, Limit: 2}},
	} {
		t.Run(sentence, func(t *testing.T) {
			service := strict(t, simulator.Options{Faults: faults})
			tokens := apim.NewTokens(apim.Options{TokenURL: service.URL + "/oauth2/token", Credentials: credentials(t), Client: client(t, "")})
			for range 2 {
				_, err := tokens.Token(t.Context())
				if e, ok := errors.AsType[*apim.TokenError](err); !ok || e.Permanent() || e.Status < 400 {
					t.Errorf("%v", err)
				}
				oneLineWithoutSecrets(t, err, "")
			}
			token(t, tokens) // the simulator refuses a jti that it has seen
		})
	}
}

// The API key is another matter: it says which application this is, and that may not
// change while a process is at work.
func TestAPrivateKeyThatIsReplacedOnDiskIsUsedAtTheNextExchange(t *testing.T) {
	c := newClock()
	e := newEndpoint(t)
	who := credentials(t)
	tokens := apim.NewTokens(apim.Options{TokenURL: e.URL, Credentials: who, Client: client(t, ""), Now: c.Now})
	token(t, tokens)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, who.PrivateKeyFile, pkcs1(other))
	replace(t, who.APIKeyFile, []byte("the-next-api-key"))
	c.pass(time.Hour)
	token(t, tokens)
	for i, key := range []*rsa.PrivateKey{signingKey(), other} {
		parsed, err := jwt.Parse(e.assertions[i], func(*jwt.Token) (any, error) { return &key.PublicKey, nil }, jwt.WithoutClaimsValidation())
		if err != nil {
			t.Fatalf("assertion %d is not signed with the key of its time: %v", i+1, err)
		}
		if issuer, _ := parsed.Claims.GetIssuer(); issuer != apiKey {
			t.Errorf("assertion %d was issued by another key", i+1)
		}
	}
}
