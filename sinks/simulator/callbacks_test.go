package simulator

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/sinks/simulator/callbacks"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/ledger"
	"cohort/sinks/simulator/nhsapp"
	"cohort/sinks/simulator/notify"
)

const (
	applicationID = "application"
	callbackKey   = "callback-key"
	messagesPath  = "/callbacks/notify/messages"
	channelsPath  = "/callbacks/notify/channels"
	tasksPath     = "/callbacks/nhsapp/FHIR/R4/Task"
)

// received is one request to the receiver.
type received struct {
	path, mediaType                  string
	body                             []byte
	err                              error         // of reading the body
	took                             time.Duration // to read it
	certificate, rightKey, rightSign bool
	answer                           int
}

// items are the items of a body, or the Task as the only one.
func (c received) items(t *testing.T) (list []map[string]any) {
	t.Helper()
	if c.path == tasksPath {
		list = []map[string]any{nil}
		if err := json.Unmarshal(c.body, &list[0]); err != nil {
			t.Fatal(err)
		}
		return list
	}
	var v struct{ Data []map[string]any }
	if err := json.Unmarshal(c.body, &v); err != nil || len(v.Data) == 0 {
		t.Fatalf("%v: %.300s", err, c.body)
	}
	return v.Data
}

// receiver records callbacks, and answers as the contract asks.
type receiver struct {
	*httptest.Server
	mu          sync.Mutex
	all         []received
	connections int
	refuse      func(n int, c received) int // the answer to the nth request; 0: as the contract asks
}

// receive starts a receiver. Behind TLS it asks for a client certificate, and goes without.
func receive(t *testing.T, secure bool, refuse func(int, received) int) *receiver {
	t.Helper()
	r := &receiver{refuse: refuse}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a client breaks off
	r.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.mu.Lock()
			r.connections++
			r.mu.Unlock()
		}
	}
	if secure {
		r.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	c, begun := received{path: q.URL.Path, mediaType: q.Header.Get("Content-Type")}, time.Now()
	c.body, c.err = io.ReadAll(q.Body)
	c.took = time.Since(begun)
	mac := hmac.New(sha256.New, []byte(applicationID+"."+callbackKey))
	mac.Write(c.body)
	c.rightSign = q.Header.Get("x-hmac-sha256-signature") == hex.EncodeToString(mac.Sum(nil))
	c.rightKey = q.Header.Get("x-api-key") == callbackKey
	c.certificate = q.TLS != nil && len(q.TLS.PeerCertificates) > 0
	switch task := c.path == tasksPath; {
	case q.Method != http.MethodPost:
		c.answer = 405
	case task && !c.certificate, !task && !c.rightKey:
		c.answer = 401
	case !task && !c.rightSign:
		c.answer = 403
	case len(c.body) > 1<<20:
		c.answer = 413
	default:
		c.answer = 202
	}
	r.mu.Lock()
	if r.refuse != nil {
		if answer := r.refuse(len(r.all), c); answer != 0 {
			c.answer = answer
		}
	}
	r.all = append(r.all, c)
	r.mu.Unlock()
	if c.answer == 599 {
		panic(http.ErrAbortHandler) // no answer
	}
	w.WriteHeader(c.answer)
}

func (r *receiver) requests() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// target is the receiver as the simulator knows it, with short waits.
func (r *receiver) target() callbacks.Target {
	t := callbacks.Target{ApplicationID: applicationID, APIKey: callbackKey}
	t.Retry.First, t.Retry.Most, t.Retry.For = time.Millisecond, 5*time.Millisecond, time.Minute
	if r.TLS != nil {
		t.Roots = x509.NewCertPool()
		t.Roots.AddCert(r.Certificate())
	}
	return t
}

// calling serves a simulator that calls back the receiver. Deliveries are done in a moment. The log
// is complete when finish has returned.
func calling(t *testing.T, r *receiver, set faults.Set, change func(*Options)) (s *service, finish func() ([]callbacks.Line, callbacks.Counts)) {
	t.Helper()
	var lines bytes.Buffer
	o := Options{
		Seed: 5, Notify: notify.Options{Statuses: notify.Statuses{Hasten: 1e8}}, NHSApp: nhsapp.Options{Receipts: nhsapp.Receipts{Hasten: 1e8}},
		Callbacks: callbacks.Options{URL: r.URL, Target: r.target(), Faults: set, Hasten: 1e8, Log: &lines},
	}
	if change != nil {
		change(&o)
	}
	s = serve(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.SendCallbacks(ctx) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return s, func() (log []callbacks.Line, counts callbacks.Counts) {
		t.Helper()
		for counts.Pending = 1; counts.Pending > 0; time.Sleep(2 * time.Millisecond) {
			counts = callbacks.Counts{}
			if err := json.Unmarshal(s.do("GET", "/_simulator/callbacks", "").body, &counts); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		for in := json.NewDecoder(&lines); in.More(); {
			var l callbacks.Line
			if err := in.Decode(&l); err != nil {
				t.Fatal(err)
			}
			log = append(log, l)
		}
		return log, counts
	}
}

// certificate makes a client's certificate.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"client.example"}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The receiver gets what the contract describes, and each message comes to the end that the
// simulator's ledger names. A TLS connection serves one callback.
func TestCallbacksHaveTheFormOfTheContract(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			r := receive(t, secure, nil)
			s, finish := calling(t, r, nil, nil)
			s.post(batch("b1", 0, 50))
			log, counts := finish()
			all := r.requests()
			if len(all) != len(log) || counts.Fates[callbacks.Acknowledged] != len(log) || counts.ByAnswer[202] != len(log) || len(log) < 200 {
				t.Fatalf("%d requests, %d lines, %+v", len(all), len(log), counts)
			}
			if secure && r.connections != len(all) {
				t.Errorf("%d connections for %d callbacks", r.connections, len(all))
			}
			media := map[string]int{}
			for _, c := range all {
				media[c.mediaType]++
				item := c.items(t)[0]
				content := item["attributes"].(map[string]any)
				key := item["meta"].(map[string]any)["idempotencyKey"].(string)
				want, kind := []string{"messageId", "messageReference", "messageStatus", "timestamp", "routingPlan"}, "MessageStatus"
				if c.path == channelsPath {
					want, kind = []string{"messageId", "messageReference", "channel", "channelStatus", "cascadeType", "cascadeOrder", "timestamp"}, "ChannelStatus"
				}
				if item["type"] != kind || len(c.items(t)) != 1 || len(key) != 64 || !c.rightSign || !c.rightKey || item["links"].(map[string]any)["message"] == "" {
					t.Fatalf("%+v: %s", c, c.body)
				}
				for _, name := range want {
					if content[name] == nil || content[name] == "" {
						t.Fatalf("no %s: %s", name, c.body)
					}
				}
				if content["messageStatus"] == "delivered" && !strings.Contains(fmt.Sprint(content["channels"]), "channelStatus:delivered") {
					t.Fatalf("no channel is delivered: %s", c.body)
				}
				if _, err := time.Parse(time.RFC3339, content["timestamp"].(string)); err != nil {
					t.Fatal(err)
				}
			}
			if media[plainJSON] == 0 || media["application/vnd.api+json"] == 0 || len(media) != 2 {
				t.Errorf("%v", media)
			}
		})
	}
}

// A status poll at the moment of a callback says what the callback says.
func TestCallbacksAgreeWithAStatusPoll(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := serve(t, Options{Seed: 3, Now: c.Now, TokenLifetime: 1e6 * time.Hour, Notify: notify.Options{Statuses: notify.Statuses{Undone: 0.3}}})
	s.post(batch("b1", 0, 60))
	seen := map[string]int{}
	for _, a := range s.ledgerLines("") {
		events := s.notify.Events(&a)
		if !slices.IsSortedFunc(events, func(a, b callbacks.Event) int { return a.At.Compare(b.At) }) {
			t.Fatal("events are out of order")
		}
		for _, e := range events {
			c.pass(e.At.Sub(c.Now()))
			m, content := s.shownOf(a.MessageID), e.Content()
			told := fmt.Sprintln(content["messageStatus"], content["messageFailureReasonCode"], content["messageStatusDescription"])
			shown := fmt.Sprintln(m.MessageStatus, m.FailureReasonCode, m.Description)
			if e.Kind == callbacks.ChannelStatus {
				i := content["cascadeOrder"].(int) - 1
				ch := m.Channels[i]
				shown = fmt.Sprintln(ch.Type, ch.Status, ch.SupplierStatus, ch.FailureReasonCode, ch.Description, ch.RetryCount > 0)
				told = fmt.Sprintln(content["channel"], content["channelStatus"], content["supplierStatus"], content["channelFailureReasonCode"],
					content["channelStatusDescription"], content["retryCount"] != nil)
			}
			told = strings.Join(strings.Fields(strings.ReplaceAll(told, "<nil>", "")), " ")
			if shown = strings.Join(strings.Fields(shown), " "); told != shown {
				t.Fatalf("the callback says %s, and a poll %s", told, shown)
			}
			seen[e.Kind+" "+e.Status]++
			if supplier, ok := content["supplierStatus"].(string); ok {
				seen[supplier]++
			}
		}
	}
	for _, want := range strings.Split("MessageStatus enriched,MessageStatus sending,MessageStatus delivered,MessageStatus failed,ChannelStatus sending,ChannelStatus delivered,"+
		"ChannelStatus failed,ChannelStatus skipped,delivered,notification_attempted,notified,unnotified,read,rejected,received,accepted,temporary_failure,permanent_failure", ",") {
		if seen[want] == 0 {
			t.Errorf("nothing was ever %s: %v", want, seen)
		}
	}
}

// One fault each, once: what the receiver sees. All kinds of faults.
func TestCallbackFaults(t *testing.T) {
	t.Parallel()
	plan := "00000000-0000-0000-0000-000000000004" // the app, where it is read
	said := func(c received) string { return fmt.Sprint(c.items(t)[len(c.items(t))-1]) }
	body := func(c received) string { return string(c.body) }
	repeated := func(all []received, of func(received) string) (n int) {
		seen := map[string]bool{}
		for _, c := range all {
			if seen[c.path+of(c)] {
				n++
			}
			seen[c.path+of(c)] = true
		}
		return n
	}
	times := func(text string) func([]received) bool {
		return func(all []received) bool {
			return len(slices.DeleteFunc(all, func(c received) bool { return !strings.Contains(string(c.body), text) })) == 1
		}
	}
	answered := func(status int) func([]received) bool {
		return func(all []received) bool {
			return len(slices.DeleteFunc(all, func(c received) bool { return c.answer != status })) == 1
		}
	}
	order := func(want string) func([]received) bool {
		return func(all []received) bool {
			var got []string
			for _, c := range all {
				if c.path == messagesPath {
					got = append(got, fmt.Sprint(c.items(t)[0]["attributes"].(map[string]any)["messageStatus"]))
				}
			}
			return strings.Join(got, " ") == want
		}
	}
	rows := []struct {
		kind  faults.Kind
		set   faults.Fault
		extra int // requests more than without the fault
		seen  func([]received) bool
		fate  string // of the callback with the fault
	}{
		{faults.Reordered, faults.Fault{}, 0, order("sending enriched delivered"), callbacks.Acknowledged},
		{faults.Late, faults.Fault{Fixed: 1000 * 24 * time.Hour}, 0, order("sending delivered enriched"), callbacks.Acknowledged},
		{faults.NewFields, faults.Fault{}, 0, times("newMember"), callbacks.Acknowledged},
		{faults.SeveralItems, faults.Fault{After: 4}, 0, func(all []received) bool {
			return slices.ContainsFunc(all, func(c received) bool {
				items := c.items(t)
				return len(items) > 2 && items[0]["type"] == "PaymentStatus" && items[1]["type"] == items[2]["type"]
			})
		}, callbacks.Acknowledged},
		{faults.WrongSecretFirst, faults.Fault{}, 1, func(all []received) bool { return answered(403)(slices.Clone(all)) && repeated(all, body) == 1 }, callbacks.Acknowledged},
		{faults.Duplicated, faults.Fault{}, 1, func(all []received) bool { return repeated(all, body) == 1 }, callbacks.Acknowledged},
		{faults.Replayed, faults.Fault{Fixed: 1000 * 24 * time.Hour}, 1, func(all []received) bool { return body(all[len(all)-1]) == body(all[0]) }, callbacks.Acknowledged},
		{faults.Alike, faults.Fault{}, 1, func(all []received) bool {
			key := func(c received) string { return fmt.Sprint(c.items(t)[0]["meta"]) }
			return repeated(all, key) == 1 && repeated(all, body) == 0
		}, callbacks.Acknowledged},
		{faults.UnknownValue, faults.Fault{}, 1, times(`Status":"on_hold"`), callbacks.Acknowledged},
		{faults.UnknownType, faults.Fault{}, 1, times(`"type":"PaymentStatus"`), callbacks.Acknowledged},
		{faults.Forged, faults.Fault{}, 1, func(all []received) bool { return answered(403)(slices.Clone(all)) && repeated(all, said) == 0 }, callbacks.Refused},
		{faults.WrongAPIKey, faults.Fault{}, 1, func(all []received) bool { return answered(401)(slices.Clone(all)) && repeated(all, said) == 0 }, callbacks.Refused},
		{faults.Oversized, faults.Fault{}, 1, answered(413), callbacks.Refused},
		{faults.SlowBody, faults.Fault{Hold: 2 * time.Second}, 1, func(all []received) bool {
			// A busy machine begins to read late.
			return slices.ContainsFunc(all, func(c received) bool { return c.took >= 100*time.Millisecond && c.rightSign })
		}, callbacks.Acknowledged},
	}
	if len(rows) != len(faults.CallbackKinds()) {
		t.Errorf("%d rows for %d faults", len(rows), len(faults.CallbackKinds()))
	}
	run := func(set faults.Set) ([]received, []callbacks.Line, callbacks.Counts) {
		r := receive(t, false, nil)
		s, finish := calling(t, r, set, func(o *Options) {
			o.Notify.Statuses = always(func(o *notify.Statuses) { o.Hasten = 3e6 })
			o.Callbacks.Hasten, o.Callbacks.Target.Connections = 3e8, 1
		})
		s.post(wrap(plan, "b1", item(0)))
		log, counts := finish()
		return r.requests(), log, counts
	}
	usual, _, _ := run(nil)
	if !order("enriched sending delivered")(usual) {
		t.Fatal("without a fault they are out of order")
	}
	for _, row := range rows {
		t.Run(row.kind.String(), func(t *testing.T) {
			row.set.Share, row.set.Limit = 1, 1
			all, log, counts := run(faults.Set{row.kind: row.set})
			if len(all) != len(usual)+row.extra || !row.seen(slices.Clone(all)) || counts.Faults[row.kind.String()] != 1 {
				t.Errorf("%d requests, %d without the fault: %+v", len(all), len(usual), counts)
				for _, c := range all {
					t.Logf("%s %d %.900s", c.path, c.answer, c.body)
				}
			}
			i := slices.IndexFunc(log, func(l callbacks.Line) bool { return l.Fault == row.kind.String() })
			if i < 0 || log[i].Fate != row.fate || counts.Fates[callbacks.ForgedAccepted]+counts.Fates[callbacks.Lost] != 0 {
				t.Errorf("%+v %+v", counts, log)
			}
		})
	}
}

// A receiver that takes everything is found out.
func TestForgedCallbacksThatAreAcceptedAreCounted(t *testing.T) {
	t.Parallel()
	r := receive(t, true, func(int, received) int { return 200 })
	set := faults.Set{faults.Forged: {Share: 1, Limit: 3}, faults.WrongAPIKey: {Share: 1, Limit: 4}, faults.WrongSecretFirst: {Share: 1, Limit: 5}}
	s, finish := calling(t, r, set, func(o *Options) { o.Callbacks.Target.Certificates = []tls.Certificate{certificate(t)} })
	s.post(batch("b1", 0, 5))
	if _, counts := finish(); counts.Fates[callbacks.ForgedAccepted] != 12 {
		t.Errorf("%+v", counts)
	}
	all := r.requests()
	s, finish = calling(t, r, faults.Set{faults.Forged: {Share: 1, Limit: 2}}, func(o *Options) { o.Callbacks.Target.Certificates = []tls.Certificate{certificate(t)} })
	s.do("POST", inAppURL, inAppBody("r1", someNumber, "Text"), "Content-Type", fhirJSON)
	if _, counts := finish(); counts.Fates[callbacks.ForgedAccepted] != 2 {
		t.Errorf("receipts: %+v", counts)
	}
	without := slices.DeleteFunc(r.requests()[len(all):], func(c received) bool { return c.certificate })
	if len(without) != 2 {
		t.Errorf("%d receipts without a certificate, not 2", len(without))
	}
}

// A receipt is a Task, by mutual TLS, and neither signed nor with a key.
func TestReceiptsAreCalledBack(t *testing.T) {
	t.Parallel()
	r := receive(t, true, nil)
	set := faults.Set{}
	for _, k := range faults.CallbackKinds() {
		if set[k] = (faults.Fault{Share: 0.5}); k == faults.SlowBody {
			set[k] = faults.Fault{Share: 0.5, Hold: time.Millisecond}
		}
	}
	set[faults.Oversized] = faults.Fault{Share: 0.5, Limit: 3}
	s, finish := calling(t, r, set, func(o *Options) { o.Callbacks.Target.Certificates = []tls.Certificate{certificate(t)} })
	for i := range 40 {
		s.do("POST", inAppURL, inAppBody(fmt.Sprint("r", i), number(i), "Text"), "Content-Type", fhirJSON)
	}
	log, counts := finish()
	if counts.Fates[callbacks.ForgedAccepted]+counts.Fates[callbacks.Lost] != 0 || counts.Fates[callbacks.Refused] == 0 {
		t.Errorf("%+v", counts)
	}
	for _, k := range []faults.Kind{faults.Alike, faults.SeveralItems, faults.WrongSecretFirst, faults.WrongAPIKey} {
		if counts.Faults[k.String()] != 0 {
			t.Errorf("%s struck a receipt", k)
		}
	}
	codes := map[string][]string{}
	for _, c := range r.requests() {
		task := c.items(t)[0]
		if c.path != tasksPath || c.mediaType != fhirJSON || c.rightKey || c.rightSign {
			t.Fatalf("%+v", c)
		}
		if c.answer == 202 && task["resourceType"] == "Task" {
			code := task["code"].(map[string]any)["coding"].([]any)[0].(map[string]any)["code"].(string)
			for _, id := range task["identifier"].([]any) {
				if id := id.(map[string]any); strings.HasSuffix(id["system"].(string), "request-id") && code != "on_hold" {
					codes[id["value"].(string)] = append(codes[id["value"].(string)], code)
				}
			}
		}
	}
	for _, a := range s.ledgerLines("?statuses=2100-01-01T00:00:00Z") {
		want, got := strings.Split(a.Status, ","), codes[a.MessageReference]
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(slices.Compact(want), slices.Compact(got)) || slices.Contains(want, "Read") != (a.ReadAt != nil) || slices.Contains(want, "Delivered") != (a.DeliveredAt != nil) {
			t.Errorf("%s, and the receipts say %v", a.Status, got)
		}
	}
	if len(codes) != 40 || len(log) == 0 {
		t.Errorf("%d messages, %d lines", len(codes), len(log))
	}
}

// A certificate that cannot be verified loses every callback, without a second attempt.
func TestACertificateOfAnUnknownAuthorityLosesCallbacks(t *testing.T) {
	t.Parallel()
	r := receive(t, true, nil)
	s, finish := calling(t, r, nil, func(o *Options) { o.Callbacks.Target.Roots = nil })
	s.post(batch("b1", 0, 3))
	log, counts := finish()
	if len(log) == 0 || counts.Fates[callbacks.Lost] != len(log) || counts.ByAnswer[0] != len(log) || len(r.requests()) != 0 {
		t.Errorf("%+v", counts)
	}
}

// A callback that is never answered well is lost in the end, and one that is refused at once.
func TestHowCallbacksAreLost(t *testing.T) {
	t.Parallel()
	for status, once := range map[int]bool{503: false, 429: false, 599: false, 400: true, 401: true, 404: true, 408: true, 413: true, 302: true} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			r := receive(t, false, func(int, received) int { return status })
			s, finish := calling(t, r, nil, func(o *Options) { o.Callbacks.Target.Retry.For = 100 * time.Millisecond })
			s.post(batch("b1", 0, 3))
			log, counts := finish()
			attempts := 0
			for _, l := range log {
				if attempts += l.Attempts; l.Fate != callbacks.Lost || l.Answer != status && status != 599 {
					t.Fatalf("%+v", l)
				}
			}
			if len(log) == 0 || counts.Fates[callbacks.Lost] != len(log) || (attempts == len(log)) != once || attempts != len(r.requests()) {
				t.Errorf("%d attempts, %+v", attempts, counts)
			}
		})
	}
}

// Only the statuses come that the sender has subscribed to.
func TestSubscribedStatuses(t *testing.T) {
	t.Parallel()
	r := receive(t, false, nil)
	s, finish := calling(t, r, nil, func(o *Options) { o.Callbacks.Target.Statuses = []string{"delivered", "failed"} })
	s.post(batch("b1", 0, 30))
	log, _ := finish()
	ends := map[string]int{}
	for _, l := range log {
		if l.Status != "delivered" && l.Status != "failed" {
			t.Fatalf("%+v", l)
		}
		if l.Kind == callbacks.MessageStatus {
			ends[l.MessageReference]++
		}
	}
	if len(ends) != 30 || len(log) < 50 {
		t.Errorf("%d messages, %d callbacks", len(ends), len(log))
	}
}

// folded is what a receiver makes of a message's callbacks.
type folded struct{ status, code, channel, readAt string }

// fold keeps the highest rank of the acknowledged callbacks, by message reference.
func fold(t *testing.T, all []received) map[string]folded {
	rank := []string{"", "enriched", "sending", "failed", "delivered"}
	out := map[string]folded{}
	for _, c := range all {
		if c.answer/100 != 2 {
			continue
		}
		for _, item := range c.items(t) {
			m, _ := item["attributes"].(map[string]any)
			reference, _ := m["messageReference"].(string)
			f := out[reference]
			status, _ := m["messageStatus"].(string)
			switch {
			case item["type"] == "MessageStatus" && slices.Index(rank, status) >= slices.Index(rank, f.status):
				f.status = status
				f.code, _ = m["messageFailureReasonCode"].(string)
			case item["type"] == "ChannelStatus" && m["channelStatus"] == "delivered":
				if f.channel = m["channel"].(string); m["supplierStatus"] == "read" {
					f.readAt = m["timestamp"].(string)
				}
			}
			out[reference] = f
		}
	}
	return out
}

// With every fault, and a receiver that often fails, the acknowledged callbacks tell the ledger's
// truth, nothing forged is accepted, and nothing is lost.
func TestAcknowledgedCallbacksTellTheTruth(t *testing.T) {
	t.Parallel()
	set := faults.Set{}
	for _, k := range faults.CallbackKinds() {
		set[k] = faults.Fault{Share: 0.05}
	}
	set[faults.SlowBody] = faults.Fault{Share: 0.02, Hold: 5 * time.Millisecond}
	set[faults.Oversized] = faults.Fault{Share: 0.02, Limit: 10}
	trouble := []int{503, 0, 599, 429, 0, 500, 0, 0}
	r := receive(t, false, func(n int, _ received) int { return trouble[n/7%len(trouble)] })
	s, finish := calling(t, r, set, nil)
	for i := range 5 {
		s.post(batch(fmt.Sprint("b", i), 100*i, 100*i+100))
	}
	log, counts := finish()
	all, total := r.requests(), 0
	for _, n := range counts.Fates {
		total += n
	}
	if total != len(log) || counts.Fates[callbacks.Lost]+counts.Fates[callbacks.ForgedAccepted] != 0 || counts.ByAnswer[503] == 0 || counts.ByAnswer[0] == 0 {
		t.Errorf("%d lines, %+v", len(log), counts)
	}
	for _, k := range faults.CallbackKinds() {
		if counts.Faults[k.String()] == 0 {
			t.Errorf("%s never struck", k)
		}
	}
	keys := map[string]bool{}
	for _, c := range all {
		if c.answer == 202 {
			for _, item := range c.items(t) {
				keys[item["meta"].(map[string]any)["idempotencyKey"].(string)] = true
			}
		}
	}
	for _, l := range log {
		if l.Fate == callbacks.Acknowledged && !keys[l.IdempotencyKey] {
			t.Fatalf("the receiver did not acknowledge %+v", l)
		}
	}
	got := fold(t, all)
	for _, a := range s.ledgerLines("?statuses=2100-01-01T00:00:00Z") {
		if want := truthOf(a); got[a.MessageReference] != want {
			t.Fatalf("the callbacks say %+v, and the ledger %+v", got[a.MessageReference], want)
		}
	}
	if len(got) != 500 {
		t.Errorf("%d messages", len(got))
	}
}

func truthOf(a ledger.Accepted) folded {
	f := folded{status: a.Status, code: a.FailureReasonCode, channel: a.DeliveredChannel}
	if a.ReadAt != nil {
		f.readAt = a.ReadAt.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return f
}
