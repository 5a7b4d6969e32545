package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"cohort/sinks/simulator/nhsapp"
	"cohort/sinks/simulator/notify"
)

// Embedded is a Server inside this process, with the addresses and credentials of a client.
type Embedded struct {
	NotifyURL, NHSAppURL, TokenURL string
	APIKeyFile, PrivateKeyFile     string // in a folder that Close removes
	KeyID                          string

	server *http.Server
	folder string
}

// Embed starts a Server on a free port of this machine. It permits everything, and keeps no
// personalisation.
func Embed(version string) (*Embedded, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "cohort-simulator-")
	if err != nil {
		return nil, err
	}
	const apiKey = "simulated-application"
	e := &Embedded{
		APIKeyFile: filepath.Join(folder, "api-key"), PrivateKeyFile: filepath.Join(folder, "key.pem"),
		KeyID: "simulated-1", folder: folder,
		server: &http.Server{ReadHeaderTimeout: time.Minute, Handler: New(Options{
			Version: version, APIKey: apiKey, KeyID: "simulated-1", PublicKey: &key.PublicKey,
			Notify: notify.Options{ContactDetails: true}, NHSApp: nhsapp.Options{Intermediary: true}, ForgetPersonalisation: true,
		})},
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err = os.WriteFile(e.APIKeyFile, []byte(apiKey), 0o600); err == nil {
		err = os.WriteFile(e.PrivateKeyFile, text, 0o600)
	}
	var listener net.Listener
	if err == nil {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	base := "http://" + listener.Addr().String()
	e.NotifyURL, e.NHSAppURL, e.TokenURL = base+notify.Root, base+nhsapp.Root, base+tokenPath
	go func() { _ = e.server.Serve(listener) }()
	return e, nil
}

// Close ends the Server and removes its keys.
func (e *Embedded) Close() {
	_ = e.server.Close()
	_ = os.RemoveAll(e.folder)
}
