package apim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"cohort/sinks/apim"
	"cohort/sinks/simulator/gateway"
)

// The JWKS holds the public half of the signing key and no secret. The
// reader is the simulator's, which shares no code with the writer.
func TestAKeyPairBelongsTogether(t *testing.T) {
	pair, err := apim.NewKeyPair("int-1")
	if err != nil {
		t.Fatal(err)
	}
	who := apim.Credentials{PrivateKeyFile: file(t, "key.pem", pair.Private)}
	read, err := who.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := gateway.ReadJWKS(pair.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	registered := keys["int-1"]
	if len(keys) != 1 || registered == nil || !registered.Equal(read) || !read.Equal(pair.Public) || read.N.BitLen() != 4096 {
		t.Errorf("%d keys, of %d bits", len(keys), read.N.BitLen())
	}
	if apim.Thumbprint(read) != apim.Thumbprint(registered) {
		t.Error("the thumbprints differ")
	}
	if !strings.HasPrefix(string(pair.Private), "-----BEGIN PRIVATE KEY-----\n") {
		t.Error("the private key is not PKCS#8")
	}
	var set map[string][]map[string]string
	if err := json.Unmarshal(pair.JWKS, &set); err != nil || len(set) != 1 || len(set["keys"][0]) != 6 {
		t.Errorf("%v: %s", err, pair.JWKS)
	}
	if k := set["keys"][0]; k["kty"] != "RSA" || k["use"] != "sig" || k["alg"] != "RS512" || k["kid"] != "int-1" || k["e"] != "AQAB" {
		t.Errorf("%v", k)
	}
}

// The example of RFC 7638, section 3.1.
func TestAThumbprintIsTheStandards(t *testing.T) {
	const modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	keys, err := gateway.ReadJWKS([]byte(`{"keys":[{"kty":"RSA","use":"sig","alg":"RS512","kid":"rfc","e":"AQAB","n":"` + modulus + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := apim.Thumbprint(keys["rfc"]); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Error(got)
	}
}

func TestWhatMayBeAKeyID(t *testing.T) {
	for name, want := range map[string]bool{
		"int-1": true, "prod.2026_11": true, "A": true, strings.Repeat("k", 64): true,
		"": false, strings.Repeat("k", 65): false, "-int": false, ".int": false, "../int": false, "int 1": false, "int/1": false, "int\n": false, "clé": false, `int"1`: false,
	} {
		if apim.IsKeyID(name) != want {
			t.Errorf("%q", name)
		}
	}
}
