package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/sinks/apim"
	"cohort/sinks/notify"
	"cohort/sinks/simulator"
)

// mostConnections is how many connections to the service are kept open: as many as there are
// requests under way at once, which is the engine's to say.
const mostConnections = 256

// openSink makes the campaign's sink. Nothing is read or sent yet.
func openSink(c *campaign.Campaign, fields []string) (*notify.Sink, *apim.Tokens, error) {
	return openSinkFor(c, fields, mostConnections)
}

// openSinkFor is openSink with another number of connections that are kept open.
func openSinkFor(c *campaign.Campaign, fields []string, connections int) (*notify.Sink, *apim.Tokens, error) {
	o, err := sinkOptions(c, fields)
	if err != nil {
		return nil, nil, err
	}
	client, tokens, err := signIn(c, connections)
	if err != nil {
		return nil, nil, err
	}
	o.Client, o.Tokens = client, tokens
	return notify.New(o), tokens, nil
}

// signIn makes the client and the tokens with which the campaign's service is spoken to.
// Only ca_file is read yet.
func signIn(c *campaign.Campaign, connections int) (*http.Client, *apim.Tokens, error) {
	client, err := apim.Client(c.Notify.CAFile, connections)
	if err != nil {
		return nil, nil, refuse("%w", err)
	}
	return client, apim.NewTokens(apim.Options{TokenURL: c.Notify.TokenURL, Credentials: credentialsOf(c), Client: client}), nil
}

// credentialsOf says who the campaign's application is.
func credentialsOf(c *campaign.Campaign) apim.Credentials {
	return apim.Credentials{
		APIKeyFile: c.Notify.APIKeyFile, APIKeyEnv: c.Notify.APIKeyEnv, KeyID: c.Notify.KeyID, PrivateKeyFile: c.Notify.PrivateKeyFile,
	}
}

// measuringSink makes a sink that renders messages as the campaign's does, and can send
// none: it needs no keys.
func measuringSink(c *campaign.Campaign, fields []string) (*notify.Sink, error) {
	o, err := sinkOptions(c, fields)
	if err != nil {
		return nil, err
	}
	o.Client = &http.Client{}
	return notify.New(o), nil
}

// sinkOptions says what a campaign's messages are made of.
func sinkOptions(c *campaign.Campaign, fields []string) (notify.Options, error) {
	compiled, err := notify.CompileFields(c, fields)
	if err != nil {
		return notify.Options{}, refuse("%w", err)
	}
	details, err := notify.CompileDetails(c, fields)
	if err != nil {
		return notify.Options{}, refuse("%w", err)
	}
	return notify.Options{
		BaseURL: c.Notify.BaseURL, RoutingPlanID: c.Notify.RoutingPlanID, ODSCode: c.Notify.ODSCode, Fields: compiled, Details: details, Single: c.Notify.Endpoint == campaign.Messages,
		Limits: engine.Limits{Messages: c.Notify.Batch.MaxMessages, Bytes: c.Notify.Batch.MaxBytes}.Smooth(c.Pace.EvenRate(), c.Notify.Batch.Smoothing),
	}, nil
}

// fieldsOf lists the columns that the messages need, sorted.
func fieldsOf(c *campaign.Campaign) ([]string, error) {
	var fields []string
	for _, t := range c.Texts() {
		names, err := engine.Placeholders(t.Text)
		if err == nil && slices.Contains(names, "nhs_number") {
			err = fmt.Errorf("an NHS number has no place in a message")
		}
		if err != nil {
			return nil, refuse("%w", &campaign.FileError{File: c.Path, Problem: t.Key + ": " + err.Error()})
		}
		fields = append(fields, names...)
	}
	slices.Sort(fields)
	return slices.Compact(fields), nil
}

// embed starts a simulator of the service inside this process and turns the campaign
// to it, keys and all. Everything ends with stop.
func embed(c *campaign.Campaign) (stop func(), err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cohort-simulator-")
	if err != nil {
		return nil, refuse("the simulator cannot start: %w", err)
	}
	const apiKey, keyID = "simulated-application", "simulated-1"
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	n := &c.Notify
	n.APIKeyFile, n.APIKeyEnv, n.KeyID, n.PrivateKeyFile, n.CAFile = filepath.Join(dir, "api-key"), "", keyID, filepath.Join(dir, "key.pem"), ""
	if err = os.WriteFile(n.APIKeyFile, []byte(apiKey), 0o600); err == nil {
		err = os.WriteFile(n.PrivateKeyFile, text, 0o600)
	}
	var listener net.Listener
	if err == nil {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, refuse("the simulator cannot start: %w", err)
	}
	n.BaseURL = "http://" + listener.Addr().String() + "/comms"
	n.TokenURL = "http://" + listener.Addr().String() + "/oauth2/token"
	server := &http.Server{
		Handler:           simulator.New(simulator.Options{APIKey: apiKey, KeyID: keyID, PublicKey: &key.PublicKey, Account: simulator.Account{ContactDetails: true}, ForgetPersonalisation: true}),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(listener) }()
	return func() {
		_ = server.Close()
		_ = os.RemoveAll(dir)
	}, nil
}
