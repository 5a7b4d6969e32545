package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/inbox"
)

// The drill of an end: while a callback is under way, SIGTERM makes the receiver unready, and later callbacks
// get 503. The one under way is stored, and the process ends with 0. After a restart everything that was
// answered with 202 is in the inbox, and no key, number or name is in the log.
func TestTheReceiverEndsInGoodOrder(t *testing.T) {
	const number, name, key = "9434765919", "Philomena Canary", "canary-key"
	w := &world{t: t, dir: t.TempDir()}
	w.write("key", key)
	w.write("campaign.yaml", `campaign: a-campaign
callbacks: {application_id: app-1, api_key_file: key}
sink: {file: {mesh: {routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1}}}
`)
	address := freeAddress(t)
	start := func(format string) (*exec.Cmd, *strings.Builder) {
		var log strings.Builder
		c := exec.Command("cohort", "callbacks", "-c", w.path("campaign.yaml"), "--runs", w.path("runs"), "--listen", address, "--log-format", format)
		c.Stderr = &log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill() })
		for answerAt(address, "/readyz") != http.StatusOK {
			time.Sleep(10 * time.Millisecond)
		}
		return c, &log
	}
	body := `{"data":[{"type":"MessageStatus","attributes":{"messageReference":"` + number + `","messageId":"` + name + `"}}]}`
	c, log := start("text")
	first := beginCallback(t, address, key, body)
	if got := first.finish(); got != "202" {
		t.Fatalf("the first gets %s", got)
	}
	forged := beginCallback(t, address, "another", body)
	if got := forged.finish(); got != "401" {
		t.Errorf("a forged one gets %s", got)
	}
	slow := beginCallback(t, address, key, body)
	waitFor(t, func() bool { return slow.taken() })
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return answerAt(address, "/readyz") == http.StatusServiceUnavailable })
	if got := beginCallback(t, address, key, body).finish(); got != "503" {
		t.Errorf("a later one gets %s", got)
	}
	if got := slow.finish(); got != "202" {
		t.Errorf("the one under way gets %s", got)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, log)
	}
	if !strings.Contains(log.String(), "4 received: 2 stored (202), 1 API key missing or wrong (401), 1 starting or stopping (503)") {
		t.Error(log)
	}

	again, more := start("json") // Ctrl-C ends it, too
	if got := beginCallback(t, address, key, body).finish(); got != "202" {
		t.Errorf("after a restart it gets %s", got)
	}
	if got := beginCallback(t, address, "another", body).finish(); got != "401" {
		t.Errorf("a forged one gets %s", got)
	}
	_ = again.Process.Signal(syscall.SIGINT)
	if err := again.Wait(); err != nil {
		t.Errorf("%v: %s", err, more)
	}
	if events := eventNames(t, more.String()); strings.Join(events, " ") != "no_runs_yet receiving stopping callbacks_counted finished" {
		t.Errorf("%v: %s", events, more)
	}
	stored := 0
	if _, err := inbox.Read(w.path("runs/.callbacks"), inbox.Position{}, func(_ inbox.Position, e delivery.Event) error {
		if stored++; e.Reference != number || e.Received.IsZero() {
			t.Errorf("stored: %+v", e)
		}
		return nil
	}); err != nil || stored != 3 {
		t.Errorf("%d events are stored, %v", stored, err)
	}
	find := func(text string) (found []string) {
		for _, canary := range []string{number, name, key, "app-1", "another"} {
			if strings.Contains(text, canary) {
				found = append(found, canary)
			}
		}
		return found
	}
	if found := find(log.String() + more.String()); len(found) > 0 {
		t.Errorf("the log has %q: %s", found, log)
	}
	if len(find(body+key)) != 3 {
		t.Error("the search does not find what was put there")
	}
}

// underWay is a callback without its body so far.
type underWay struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	body string
}

// beginCallback sends the headers of a callback. The receiver has begun with it once it asks for the body.
func beginCallback(t *testing.T, address, key, body string) *underWay {
	t.Helper()
	return beginCallbackAt(t, "/callbacks/notify/messages", address, key, body)
}

func beginCallbackAt(t *testing.T, path, address, key, body string) *underWay {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	mac := hmac.New(sha256.New, []byte("app-1."+key))
	mac.Write([]byte(body))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nx-api-key: %s\r\nx-hmac-sha256-signature: %s\r\nContent-Length: %d\r\n\r\n",
		path, key, hex.EncodeToString(mac.Sum(nil)), len(body))
	return &underWay{t: t, conn: conn, in: bufio.NewReader(conn), body: body}
}

// taken waits until the receiver asks for the body.
func (u *underWay) taken() bool {
	line, err := u.in.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		u.t.Fatalf("%q, %v", line, err)
	}
	_, err = u.in.ReadString('\n')
	return err == nil
}

// finish sends the body and returns the answer.
func (u *underWay) finish() string {
	_, _ = io.WriteString(u.conn, u.body)
	for {
		resp, err := http.ReadResponse(u.in, nil)
		if err != nil {
			u.t.Fatal(err)
		}
		if resp.StatusCode != http.StatusContinue {
			return fmt.Sprint(resp.StatusCode)
		}
	}
}

// answerAt is the answer to a question; 0 if nothing answers.
func answerAt(address, path string) int {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 2000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}
