package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// referee stands for NHS Notify and shares no code with the simulator. It remembers who was
// accepted, under how many references, and is the judge of tests that need a second opinion.
type referee struct {
	*httptest.Server
	took time.Duration // for each batch

	mu      sync.Mutex
	people  map[string]int    // NHS number: times accepted
	batches map[string]string // reference: the body that was accepted under it
	other   int               // replays of a reference with another body
}

// newReferee starts one. With a certificate it speaks TLS, and each connection carries one
// request, so that each request sees the certificate of its moment.
func newReferee(t *testing.T, took time.Duration, certificate func() *tls.Certificate) *referee {
	r := &referee{took: took, people: map[string]int{}, batches: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"t","expires_in":"599","token_type":"Bearer"}`)
	})
	mux.HandleFunc("GET /comms/v1/messages/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errors":[{"id":"1.0","code":"CM_NOT_FOUND","status":"404"}]}`)
	})
	mux.HandleFunc("GET /comms/_ping", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"version":"referee"}`)
	})
	mux.HandleFunc("POST /comms/v1/message-batches", r.batch)
	r.Server = httptest.NewUnstartedServer(mux)
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a client breaks off
	if certificate == nil {
		r.Start()
	} else {
		r.Config.SetKeepAlivesEnabled(false)
		r.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{Certificates: []tls.Certificate{*certificate()}}, nil
		}}
		r.StartTLS()
	}
	t.Cleanup(r.Close)
	return r
}

func (r *referee) batch(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var in struct {
		Data struct {
			Attributes struct {
				MessageBatchReference string
				Messages              []struct {
					MessageReference string
					Recipient        struct{ NHSNumber string }
				}
			}
		}
	}
	if err != nil || json.Unmarshal(body, &in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	time.Sleep(r.took)
	r.mu.Lock()
	defer r.mu.Unlock()
	reference := in.Data.Attributes.MessageBatchReference
	if before, known := r.batches[reference]; known {
		if before != string(body) {
			r.other++
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"errors":[{"id":"1.0","code":"CM_DUPLICATE_REQUEST","status":"422","source":{"pointer":"/data/attributes/messageBatchReference"}}]}`)
		return
	}
	r.batches[reference] = string(body)
	messages := make([]map[string]string, len(in.Data.Attributes.Messages))
	for i, m := range in.Data.Attributes.Messages {
		r.people[m.Recipient.NHSNumber]++
		messages[i] = map[string]string{"messageReference": m.MessageReference, "id": fmt.Sprintf("%027d", len(r.people))}
	}
	w.Header().Set("Content-Type", "application/vnd.api+json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"type": "MessageBatch", "id": fmt.Sprintf("%027d", len(r.batches)), "attributes": map[string]any{
		"messageBatchReference": reference, "messages": messages, "routingPlan": map[string]string{"id": "b838b13c-f98c-4def-93f0-515d4e4f4ee1"},
	}}})
}

func (r *referee) accepted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.people)
}

// judges compares a run's report with the people that the referee has, and counts the rows by
// outcome.
func (r *referee) judges(w *world, folder string) map[string]int {
	w.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	counts, reported := map[string]int{}, map[string]bool{}
	for _, row := range w.report(folder) {
		counts[row.Outcome]++
		if row.Outcome == "accepted" {
			reported[deref(row.NHSNumber)] = true
		}
	}
	for number, times := range r.people {
		if times != 1 {
			w.t.Fatalf("somebody was accepted %d times", times)
		}
		if !reported[number] && counts["in_doubt"] == 0 {
			w.t.Fatal("somebody was accepted, and the report does not say so")
		}
	}
	if len(reported) > len(r.people) || counts["accepted"] != len(reported) || r.other > 0 {
		w.t.Fatalf("the report has %d accepted and the service %d; %d replays had another body", counts["accepted"], len(r.people), r.other)
	}
	return counts
}

// refereed writes a campaign that sends to a referee at an address.
func (w *world) refereed(base, extra string) {
	w.t.Helper()
	w.service = "referee"
	w.campaign(extra)
	w.spoil("http://referee", base) // base_url
	w.spoil("http://referee", base) // token_url
	w.spoil("max_messages: 400", "max_messages: 20")
}

// authority makes certificates for hosts of a test, and writes itself to ca.pem.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (w *world) authority() *authority {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return &authority{w.t, cert, key}
}

// until returns a certificate for 127.0.0.1 and service.test that ends at a time.
func (a *authority) until(end time.Time) *tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "service.test"}, DNSNames: []string{"service.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
