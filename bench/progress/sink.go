package progress

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/notify"
)

// sink sends, and can be closed.
type sink struct {
	engine.Sink
	close func()
}

// newSink makes the sink of NHS Notify: whole, before a server in this process, or with
// nothing behind the encoding of bodies.
func newSink(folder string, group int, overHTTP bool) (sink, error) {
	name, err := engine.CompileTemplate("((given_name))", []string{"given_name"})
	if err != nil {
		return sink{}, err
	}
	o := notify.Options{
		RoutingPlanID: "b838b13c-f98c-4def-93f0-515d4e4f4ee1", Client: &http.Client{},
		Fields: []notify.Field{{Name: "patient_first_name", Text: name}},
	}
	if !overHTTP {
		return sink{answering{notify.New(o), newRecords(group).ids}, func() {}}, nil
	}
	if err := makeSecrets(folder); err != nil {
		return sink{}, err
	}
	s := newServer()
	if o.Client, err = apim.Client("", 16); err != nil {
		s.Close()
		return sink{}, err
	}
	apiKey, privateKey := secretsIn(folder)
	o.BaseURL = s.URL + "/comms"
	o.Tokens = apim.NewTokens(apim.Options{TokenURL: s.URL + tokenPath, Client: o.Client, Credentials: apim.Credentials{APIKeyFile: apiKey, KeyID: "bench", PrivateKeyFile: privateKey}})
	return sink{notify.New(o), func() { o.Client.CloseIdleConnections(); s.Close() }}, nil
}

// makeSecrets makes what a campaign would have of its own.
func makeSecrets(folder string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	apiKey, privateKey := secretsIn(folder)
	if err := os.WriteFile(apiKey, []byte("bench"), 0o600); err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return os.WriteFile(privateKey, text, 0o600)
}

// answering is a sink that accepts everything at once.
type answering struct {
	*notify.Sink
	ids []string
}

func (a answering) Send(_ context.Context, r *engine.Request) engine.Answer {
	return engine.Answer{Reply: engine.Accepted, Status: http.StatusCreated, IDs: a.ids[:len(r.Messages)]}
}
