package main

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/inbox"
	"cohort/engine/plan"
	"cohort/sinks/simulator/callbacks"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/ledger"
)

// everyCallbackFault is every fault of the callbacks that the simulator sends. A body that pauses for
// longer than 30 s is refused.
const everyCallbackFault = `reordered: 0.05
late: 0.03
new_fields: 0.03
several_items: 0.03
wrong_secret_first: 0.02
duplicated: 0.05
replayed: 0.03
alike: 0.05
unknown_value: 0.02
unknown_type: 0.02
forged: 0.03
wrong_api_key: 0.02
oversized: {share: 0.005, limit: 100}
slow_body: {share: 0.005, limit: 100, hold: %s}
`

// What nobody may read in a log, in a count or in the name of a file.
const (
	canaryNumber      = "9434765919"
	canaryName        = "Philomena-Canary"
	canaryKey         = "canary-key-8e41"
	canaryApplication = "canary-application-77"
)

// A run is sent while the service calls back, with every fault, and the receiver is killed again and
// again. Then the run's facts are what the service knows of each message. Nothing that was acknowledged
// is lost, and nothing forged was taken. No canary is shown.
func TestCallbacksWhileTheReceiverIsKilled(t *testing.T) {
	t.Parallel()
	scheme, people, kills, perSecond, hasten, hold := "https", 500, 3, "150", "300000", "300ms"
	if os.Getenv("COHORT_PROVE") != "" { // without TLS: a connection for each of 900,000 callbacks takes long
		scheme, people, kills, perSecond, hasten, hold = "http", 100_000, 20, "2000", "10000", "31s"
	}
	w := newCalledWorld(t, scheme, fmt.Sprintf(everyCallbackFault, hold), hasten)
	w.campaign("pace: {per_second: " + perSecond + "}\n" + receiverTrusts)
	w.generate(people, 0.01)
	w.addCanary()
	w.sendWhileKilled(kills, 5*people)
	w.sayCanaries()
	w.agrees(faults.CallbackKinds())
}

// The same with receipts of the NHS App, which come with a client certificate.
func TestReceiptsWhileTheReceiverIsKilled(t *testing.T) {
	t.Parallel()
	w := newCalledWorld(t, "https", fmt.Sprintf(everyCallbackFault, "300ms"), "100000")
	w.app = true
	w.appCampaign()
	text := string(Must(os.ReadFile(w.path("campaign.yaml"))))
	w.write("campaign.yaml", "callbacks: {client_ca_file: ca.pem, client_names: [service.test]}\n"+strings.Replace(text, "per_second: 0", "per_second: 200", 1))
	w.generate(300, 0.01)
	w.addCanary()
	w.sendWhileKilled(2, 2*300)
	w.agrees(slices.DeleteFunc(slices.Clone(faults.CallbackKinds()), func(k faults.Kind) bool { // what strikes signatures and items
		return slices.Contains([]faults.Kind{faults.SeveralItems, faults.WrongSecretFirst, faults.Alike, faults.WrongAPIKey}, k)
	}))
}

// sendWhileKilled sends the cohort while the receiver is killed within the first so many callbacks.
func (w *calledWorld) sendWhileKilled(kills, within int) {
	w.t.Helper()
	w.receive()
	send, _, said := w.start("send", "-c", "campaign.yaml", "cohort.csv", "--log-format", "json")
	hit := w.killAtRandom(kills, within)
	_ = send.Wait()
	if code := send.ProcessState.ExitCode(); code != 0 {
		w.t.Fatalf("exit %d\n%s", code, said)
	}
	eventNames(w.t, said.String())
	w.shown.WriteString(said.String())
	if hit < kills*3/4 {
		w.t.Errorf("only %d of %d kills came while callbacks were taken: the test has lost its point", hit, kills)
	}
	w.t.Logf("%d kills of a receiver at work", hit)
}

// agrees waits for the last callback, and compares everything. These faults must have struck.
func (w *calledWorld) agrees(struck []faults.Kind) {
	w.t.Helper()
	counts := w.called(func(c callbacks.Counts) bool { return c.Pending == 0 })
	w.endReceiver()
	for _, k := range struck {
		if counts.Faults[k.String()] == 0 {
			w.t.Errorf("%s never struck", k)
		}
	}
	w.took(counts)
	w.factsAreTheTruth()
	w.showsNoCanary()
}

const receiverTrusts = "callbacks: {application_id: " + canaryApplication + ", api_key_file: api-key}\n"

// calledWorld is a world with a receiver of callbacks.
type calledWorld struct {
	*world
	address  string
	url      string
	app      bool // it sends to the NHS App
	client   *http.Client
	receiver *exec.Cmd
	said     *bytes.Buffer
	shown    bytes.Buffer // by receivers, and by what else has ended
}

func newCalledWorld(t *testing.T, scheme, spoilt, hasten string) *calledWorld {
	w := &calledWorld{world: newWorld(t), address: freeAddress(t)}
	w.url = scheme + "://" + w.address
	pair := w.authority().until(time.Now().Add(time.Hour))
	w.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	key := Must(x509.MarshalPKCS8PrivateKey(pair.PrivateKey))
	w.write("cert-key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(Must(os.ReadFile(w.path("ca.pem"))))
	w.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	w.write("api-key", canaryKey+"\n")
	w.write("target.yaml", "application_id: "+canaryApplication+"\nca_file: ca.pem\nclient_cert_file: cert.pem\nclient_key_file: cert-key.pem\nconnections: 40\nretry: {first: 50ms, most: 500ms, for: 30m}\n")
	w.write("spoilt.yaml", spoilt)
	w.simulate("{}\n", "--hasten", hasten, "--callbacks", w.url, "--callback-target", w.path("target.yaml"),
		"--callback-faults", w.path("spoilt.yaml"), "--callback-log", w.path("callbacks.jsonl"))
	return w
}

// receive starts a receiver.
func (w *calledWorld) receive() {
	w.t.Helper()
	w.receiver, _, w.said = w.start(w.receiverAt(w.address)...)
	w.t.Cleanup(func() { _ = w.receiver.Process.Kill() })
}

func (w *calledWorld) receiverAt(address string) []string {
	args := []string{"callbacks", "-c", "campaign.yaml", "--listen", address}
	if strings.HasPrefix(w.url, "https") {
		args = append(args, "--tls-cert", "cert.pem", "--tls-key", "cert-key.pem")
	}
	return args
}

// killAtRandom kills the receiver at random moments of the first callbacks, so many, and starts it again.
// It returns how many of those killed had taken callbacks.
func (w *calledWorld) killAtRandom(kills, within int) (hit int) {
	w.t.Helper()
	random, moments := rand.New(rand.NewPCG(23, 29)), make([]int, kills)
	for i := range moments {
		moments[i] = random.IntN(within)
	}
	slices.Sort(moments)
	for _, moment := range moments {
		was := w.called(func(c callbacks.Counts) bool { return c.ByAnswer[http.StatusAccepted] >= moment })
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		_ = w.receiver.Process.Kill()
		_ = w.receiver.Wait()
		if now := w.counts(); now.ByAnswer[http.StatusAccepted] > was.ByAnswer[http.StatusAccepted] && now.Pending > 0 {
			hit++
		}
		w.shown.WriteString(w.said.String())
		w.receive()
	}
	return hit
}

// endReceiver ends the receiver in good order.
func (w *calledWorld) endReceiver() {
	w.t.Helper()
	_ = w.receiver.Process.Signal(syscall.SIGTERM)
	if err := w.receiver.Wait(); err != nil {
		w.t.Errorf("the receiver: %v\n%s", err, w.said)
	}
	w.shown.WriteString(w.said.String())
}

func (w *calledWorld) get(page string) io.ReadCloser {
	w.t.Helper()
	answer, err := http.Get("http://" + w.service + "/_simulator/" + page)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.Body
}

func (w *calledWorld) counts() (c callbacks.Counts) {
	w.t.Helper()
	body := w.get("callbacks")
	defer func() { _ = body.Close() }()
	Must(0, json.NewDecoder(body).Decode(&c))
	return c
}

// called waits until the counts of the simulator hold.
func (w *calledWorld) called(hold func(callbacks.Counts) bool) callbacks.Counts {
	w.t.Helper()
	for last, since := 0, time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c := w.counts()
		if hold(c) {
			return c
		}
		if c.ByAnswer[http.StatusAccepted] > last {
			last, since = c.ByAnswer[http.StatusAccepted], time.Now()
		}
		if time.Since(since) > 3*time.Minute {
			w.t.Fatalf("no callback was taken for three minutes: %+v\n%s", c, w.said)
		}
	}
}

// took compares what the simulator counted and logged with the inbox: nothing was given up, nothing forged
// was taken, and what was acknowledged is there as often.
func (w *calledWorld) took(counts callbacks.Counts) {
	w.t.Helper()
	type item struct{ reference, key string }
	itemOf := func(reference, key string) item {
		if w.app { // the simulator has no key for a receipt
			key = ""
		}
		return item{reference, key}
	}
	there, stored, future := map[item]int{}, 0, time.Now().AddDate(0, 6, 0)
	_, err := inbox.Read(w.path("runs/.callbacks"), inbox.Position{}, func(_ inbox.Position, e delivery.Event) error {
		if stored++; e.At.After(future) { // as what is forged says
			w.t.Errorf("%s of %s is forged and was taken", e.Status, e.Reference)
		}
		there[itemOf(e.Reference, e.Key)]++
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	fates, lost := map[string]int{}, 0
	for line := range bytes.Lines(Must(os.ReadFile(w.path("callbacks.jsonl")))) {
		var l callbacks.Line
		Must(0, json.Unmarshal(line, &l))
		fates[l.Fate]++
		if i := itemOf(l.MessageReference, l.IdempotencyKey); l.Fate == callbacks.Acknowledged {
			if there[i]--; there[i] < 0 {
				lost++
			}
		}
	}
	if lost > 0 {
		w.t.Errorf("%d acknowledged callbacks are not in the inbox", lost)
	}
	if fates[callbacks.Lost]+fates[callbacks.ForgedAccepted] > 0 || fates[callbacks.Refused] == 0 || fates[callbacks.Acknowledged] != counts.Fates[callbacks.Acknowledged] {
		w.t.Errorf("the fates of the callbacks: %v", fates)
	}
	w.t.Logf("%d events are stored, %+v", stored, counts)
}

// factsAreTheTruth compares the facts of the run with the ledger of the service: before whoever holds
// the run has copied them, and after it.
func (w *calledWorld) factsAreTheTruth() {
	w.t.Helper()
	truth := map[string]ledger.Accepted{}
	body := w.get("ledger?statuses=2100-01-01T00:00:00Z")
	defer func() { _ = body.Close() }()
	for in := json.NewDecoder(body); in.More(); {
		var a ledger.Accepted
		Must(0, in.Decode(&a))
		truth[a.MessageReference] = a
	}
	dir := w.folder()
	p := Must(plan.Open(dir))
	defer func() { _ = p.Close() }()
	w.sameAs(truth, facts.Of(dir, p), p)
	held := Must(facts.Hold(dir, p, "test"))
	defer func() { _ = held.Close() }()
	if err := held.Collect(w.t.Context(), nil); err != nil {
		w.t.Fatal(err)
	}
	w.sameAs(truth, held, p)
}

func (w *calledWorld) sameAs(truth map[string]ledger.Accepted, f *facts.Facts, p *plan.Plan) {
	w.t.Helper()
	states := Must(f.States(w.dir))
	defer func() { _ = states.Close() }()
	type outcome struct {
		id, other, status, code, channel string
		delivered, read                  time.Time
	}
	moment := func(t *time.Time) time.Time { return cmp.Or(t, new(time.Time)).UTC().Truncate(time.Millisecond) }
	seen := 0
	for s, err := range states.All() {
		if err != nil {
			w.t.Fatal(err)
		}
		reference := p.References.Message(s.Row).String()
		a, accepted := truth[reference]
		if w.app {
			a.Status = lastReceipt(a.Status)
		}
		want := outcome{a.MessageID, "", a.Status, a.FailureReasonCode, a.DeliveredChannel, moment(a.DeliveredAt), moment(a.ReadAt)}
		got := outcome{s.State.MessageID, s.State.OtherID, s.State.Status, s.State.Code, s.State.DeliveredChannel, s.State.DeliveredAt, s.State.ReadAt}
		if !accepted || got != want {
			w.t.Fatalf("row %d: the facts are %+v, and the service has %+v", s.Row, got, want)
		}
		seen++
	}
	if seen != len(truth) || seen == 0 {
		w.t.Errorf("%d of %d messages have facts", seen, len(truth))
	}
}

// lastReceipt is the receipt that says most, of the codes of a message in the simulator's ledger.
func lastReceipt(codes string) (status string) {
	for _, code := range []string{"Archived", "Delivered", "NotificationAttempted", "Unnotified", "Notified", "Read", "Rejected"} {
		if slices.Contains(strings.Split(codes, ","), code) {
			status = strings.ToLower(strings.Replace(code, "nA", "n_A", 1))
		}
	}
	return status
}

// addCanary adds a person to the cohort.
func (w *calledWorld) addCanary() {
	w.t.Helper()
	text := Must(os.ReadFile(w.path("cohort.csv")))
	w.write("cohort.csv", string(text)+canaryNumber+","+canaryName+","+canaryName+",1950-01-01,ZZ99 3CZ,2027-03-07,17:30,Market Square Surgery\n")
}

// sayCanaries sends callbacks that name a person, or a secret, where nobody expects it.
func (w *calledWorld) sayCanaries() {
	w.t.Helper()
	post := func(path, key, body string) int {
		req := Must(http.NewRequest(http.MethodPost, w.url+path, strings.NewReader(body)))
		mac := hmac.New(sha256.New, []byte(canaryApplication+"."+key))
		mac.Write([]byte(body))
		req.Header.Set("x-api-key", key)
		req.Header.Set("x-hmac-sha256-signature", hex.EncodeToString(mac.Sum(nil)))
		req.Header.Set("User-Agent", canaryName)
		answer, err := w.client.Do(req)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, io.TeeReader(answer.Body, &w.shown))
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	w.await("the receiver takes callbacks", func() bool { return post("/callbacks/notify/messages", canaryKey, "{}") == http.StatusAccepted })
	body := `{"data":[{"type":"` + canaryName + `","attributes":{"messageReference":"` + canaryNumber + `","messageStatusDescription":"` + canaryName + " " + canaryKey + `"}}]}`
	for path, want := range map[string][2]int{
		"/callbacks/notify/messages": {202, 401}, "/callbacks/notify/channels?person=" + canaryNumber: {202, 401},
		"/callbacks/" + canaryNumber: {404, 404}, "/callbacks/nhsapp/FHIR/R4/Task": {404, 404},
	} {
		if known, stranger := post(path, canaryKey, body), post(path, canaryName, body); known != want[0] || stranger != want[1] {
			w.t.Errorf("%s: %d and %d, not %v", path, known, stranger, want)
		}
	}
}

// canariesIn finds what nobody may read.
func canariesIn(text string) (found []string) {
	for _, canary := range []string{canaryNumber, canaryName, canaryKey, canaryApplication} {
		if strings.Contains(text, canary) {
			found = append(found, canary)
		}
	}
	return found
}

// showsNoCanary searches what every process said, what is counted, and the names of all files. The same
// search finds what is put there on purpose.
func (w *calledWorld) showsNoCanary() {
	w.t.Helper()
	status := w.run("status", "--json", w.folder())
	if status.code != 0 {
		w.t.Errorf("status: exit %d\n%s", status.code, status.stderr)
	}
	shown := w.shown.String() + status.stdout + status.stderr + w.says.String()
	for _, page := range []string{"callbacks", "stats"} {
		body := w.get(page)
		shown += string(Must(io.ReadAll(body)))
		_ = body.Close()
	}
	shown += string(Must(os.ReadFile(w.path("callbacks.jsonl"))))
	names := func() (all string) {
		Must(0, filepath.WalkDir(w.dir, func(path string, _ fs.DirEntry, err error) error { all += path + "\n"; return err }))
		return all
	}
	if found := canariesIn(shown + names()); len(found) > 0 {
		w.t.Errorf("%q are shown", found)
	}
	for _, word := range []string{"receiving callbacks", "received: ", `"acknowledged"`, "accepted", ".callbacks"} {
		if !strings.Contains(shown+names(), word) {
			w.t.Errorf("the search does not see %q", word)
		}
	}
	planted := w.run(w.receiverAt(canaryNumber + canaryName + canaryKey + canaryApplication)...)
	w.write(canaryNumber, "")
	if found := canariesIn(planted.stderr); len(found) != 4 {
		w.t.Errorf("of what was planted in a log the search finds %q", found)
	}
	if found := canariesIn(names()); !slices.Equal(found, []string{canaryNumber}) {
		w.t.Errorf("of what was planted in a name the search finds %q", found)
	}
}
