package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/engine/refusal"
	"cohort/sinks/simulator/callbacks"
)

func TestSimulateRefusesWrongCallbackFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	Must(0, os.WriteFile("service.yaml", []byte("reset_after: 0.1\n"), 0o600))
	Must(0, os.WriteFile("callbacks.yaml", []byte("forged: 0.1\n"), 0o600))
	const to = "simulate --listen 127.0.0.1:0 --callbacks http://127.0.0.1:1 "
	for line, code := range map[string]string{
		"simulate --listen 127.0.0.1:0 --callback-faults callbacks.yaml": "callbacks_without_url",
		"simulate --listen 127.0.0.1:0 --callbacks 127.0.0.1:9443":       "callbacks_url_wrong",
		"simulate --listen 127.0.0.1:0 --callbacks ftp://127.0.0.1":      "callbacks_url_wrong",
		to + "--callback-target callbacks.yaml":                          "callback_target_unreadable",
		to + "--callback-target none.yaml":                               "callback_target_unreadable",
		to + "--callback-faults service.yaml":                            "faults_unreadable",
		to + "--faults callbacks.yaml":                                   "faults_unreadable",
		to + "--callback-log service.yaml":                               "callback_log_unusable",
	} {
		if err := called(t, line); refusal.Code(err) != code {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// The simulator's process signs with the campaign's API key, and its log and its ledger are what a
// receiver is compared with.
func TestSimulateSendsCallbacksOfARun(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	acknowledged, ends := 0, map[string]string{}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("app-1.an-application"))
		mac.Write(body)
		if r.Header.Get("x-hmac-sha256-signature") != hex.EncodeToString(mac.Sum(nil)) || r.Header.Get("x-api-key") != "an-application" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var v struct {
			Data []struct {
				Attributes struct{ MessageReference, MessageStatus string }
			}
		}
		mu.Lock()
		defer mu.Unlock()
		acknowledged++
		if err := json.Unmarshal(body, &v); err != nil {
			t.Error(err)
		}
		for _, item := range v.Data {
			if a := item.Attributes; a.MessageStatus == "delivered" || a.MessageStatus == "failed" {
				ends[a.MessageReference] = a.MessageStatus
			}
		}
	}))
	defer receiver.Close()
	w := newWorld(t)
	w.write("target.yaml", "application_id: app-1\n")
	w.write("spoilt.yaml", "duplicated: 0.1\nforged: {share: 0.1, limit: 20}\n")
	w.simulate("{}\n", "--hasten", "1e8", "--callbacks", receiver.URL, "--callback-target", w.path("target.yaml"),
		"--callback-faults", w.path("spoilt.yaml"), "--callback-log", w.path("callbacks.jsonl"))
	w.campaign("pace: {per_second: 0}")
	truth := w.generate(300, 0)
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	get := func(page string) []byte {
		answer := Must(http.Get("http://" + w.service + "/_simulator/" + page))
		defer func() { _ = answer.Body.Close() }()
		return Must(io.ReadAll(answer.Body))
	}
	counts := callbacks.Counts{Pending: 1}
	for counts.Pending > 0 {
		time.Sleep(10 * time.Millisecond)
		counts = callbacks.Counts{}
		Must(0, json.Unmarshal(get("callbacks"), &counts))
	}
	mu.Lock()
	defer mu.Unlock()
	lines := strings.Count(string(Must(os.ReadFile(w.path("callbacks.jsonl")))), "\n")
	if counts.Fates[callbacks.Acknowledged] != acknowledged || counts.Fates[callbacks.Refused] != 20 || lines != acknowledged+20 {
		t.Errorf("%d acknowledged, %d lines, %+v", acknowledged, lines, counts)
	}
	if len(ends) != truth.Sendable {
		t.Errorf("%d of %d messages came to an end", len(ends), truth.Sendable)
	}
	for line := range strings.Lines(string(get("ledger?statuses=1"))) {
		var a struct{ MessageReference, Status string }
		if Must(0, json.Unmarshal([]byte(line), &a)); ends[a.MessageReference] != a.Status {
			t.Fatalf("%s: the callbacks say %q, and the ledger %q", a.MessageReference, ends[a.MessageReference], a.Status)
		}
	}
}
