package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"cohort/cmd/internal/status"
	"cohort/engine/refusal"
)

// misfortune is one thing that befalls a run between two starts.
type misfortune struct {
	name    string
	befalls func(*life)
	may     func(*life) bool // nil: always
}

// misfortunes are all that a life may meet. Each starts the sender at least once and
// leaves no process of it at work.
var misfortunes = []misfortune{
	{name: "sender killed", befalls: (*life).senderKilled},
	{name: "sender interrupted", befalls: (*life).senderInterrupted},
	{name: "sender stopped and continued", befalls: (*life).senderStopped},
	{name: "service killed and restarted", befalls: (*life).serviceKilled},
	{name: "service killed while it stood still", befalls: (*life).serviceDiesStanding},
	{name: "service stopped and continued", befalls: (*life).serviceStopped},
	{name: "requests of a dead sender come late", befalls: (*life).lateRequests},
	{name: "two senders at the same moment", befalls: (*life).twoAtOnce},
	{name: "a copied folder beside the run", befalls: (*life).copied, may: (*life).registered},
	{name: "disk full", befalls: (*life).diskFull, may: func(l *life) bool { return l.small != "" }},
	{name: "the line breaks at any byte", befalls: (*life).lineBreaks},
	{name: "the register is lost or torn", befalls: (*life).registerLost},
	{name: "the folder is moved", befalls: (*life).folderMoved},
	{name: "sender stopped for longer than every timeout", befalls: (*life).stoppedLong, may: (*life).hasTime},
	{name: "service stopped for longer than every timeout", befalls: (*life).serviceStoppedLong, may: (*life).hasTime},
}

// longest is longer than the 60 s that a request may take.
const longest = 65 * time.Second

// hasTime reports whether a misfortune may take a minute. Few may.
func (l *life) hasTime() bool { return l.long && l.random.IntN(12) == 0 }

// moment sleeps for a random time below most milliseconds.
func (l *life) moment(most int) { time.Sleep(time.Duration(l.random.IntN(most)) * time.Millisecond) }

func (l *life) kill(c *exec.Cmd, stderr *bytes.Buffer) {
	_ = c.Process.Kill()
	l.ends(c, stderr, 0, refusal.ExitRefused, refusal.ExitStopped)
}

func (l *life) senderKilled() {
	c, stderr := l.sends()
	l.moment(1200)
	if l.began { // whoever looks does not disturb
		o := l.run("status", l.folder, "--json")
		var s status.Status
		if err := json.Unmarshal([]byte(o.stdout), &s); err != nil || o.code != 0 || !s.AddsUp {
			l.t.Fatalf("status: exit %d: %s%s", o.code, o.stdout, o.stderr)
		}
	}
	_ = c.Process.Kill()
	l.ends(c, stderr, l.usual()...)
}

// usual returns the possible exit codes of an undisturbed sender: done, or halted. After a step of
// the clock the service may give no token, and then it refuses a run that has not begun.
func (l *life) usual() []int {
	if l.stepped || !l.began {
		return []int{refusal.ExitDone, refusal.ExitRefused, refusal.ExitStopped}
	}
	return []int{refusal.ExitDone, refusal.ExitStopped}
}

func (l *life) senderInterrupted() {
	c, stderr := l.sends()
	l.moment(1000)
	_ = c.Process.Signal(os.Interrupt)
	l.ends(c, stderr, append(l.usual(), -1)...)
}

func (l *life) senderStopped() { l.standStill(100 + l.random.IntN(2000)) }
func (l *life) stoppedLong()   { l.standStill(int(longest / time.Millisecond)) }

func (l *life) standStill(milliseconds int) {
	c, stderr := l.sends()
	l.moment(1000)
	_ = c.Process.Signal(syscall.SIGSTOP)
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	_ = c.Process.Signal(syscall.SIGCONT)
	l.moment(1000)
	l.kill(c, stderr)
}

func (l *life) serviceKilled() {
	c, stderr := l.sends()
	l.moment(1000)
	l.service.kill()
	l.moment(1500)
	l.service.start()
	l.moment(1500)
	l.kill(c, stderr)
}

func (l *life) serviceDiesStanding() {
	c, stderr := l.sends()
	l.moment(1000)
	l.service.past = l.service.stats()
	l.service.pause()
	l.moment(300)
	l.service.die()
	l.moment(300)
	l.service.start()
	l.moment(1500)
	l.kill(c, stderr)
}

func (l *life) serviceStopped()     { l.serviceStandsStill(100 + l.random.IntN(2000)) }
func (l *life) serviceStoppedLong() { l.serviceStandsStill(int(longest / time.Millisecond)) }

func (l *life) serviceStandsStill(milliseconds int) {
	c, stderr := l.sends()
	l.moment(1000)
	l.service.pause()
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	l.service.goOn()
	l.moment(1000)
	l.kill(c, stderr)
}

// lateRequests: the service stands still with requests before it, their sender dies, the
// next one sends them again, and then the service takes both.
func (l *life) lateRequests() {
	c, stderr := l.sends()
	l.moment(1000)
	l.service.pause()
	l.moment(150)
	l.kill(c, stderr)
	c, stderr = l.sends()
	l.moment(500)
	l.service.goOn()
	l.moment(1500)
	l.kill(c, stderr)
}

func (l *life) twoAtOnce() {
	c1, stderr1 := l.sends()
	c2, stderr2 := l.sends()
	l.moment(1500)
	l.kill(c1, stderr1)
	l.moment(300)
	l.kill(c2, stderr2)
	for _, said := range []string{stderr1.String(), stderr2.String()} {
		if strings.Contains(said, "cohort: ") && !strings.Contains(said, "is at work here") && !l.stepped {
			l.t.Logf("of two at once one said: %s", said)
		}
	}
}

// registered reports whether the register has the run and can recognise a copy.
func (l *life) registered() bool {
	text, _ := os.ReadFile(l.path(".cohort/register.jsonl"))
	return bytes.Contains(text, []byte("begun"))
}

func (l *life) copied() {
	twin := l.path("copy")
	if err := copyFolder(twin, l.folder); err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(twin) }()
	other, _, said := l.start("resume", twin)
	c, stderr := l.sends()
	if code := l.ends(other, said, refusal.ExitRefused, refusal.ExitDone); code == 0 && !strings.Contains(said.String(), "finished") {
		l.t.Fatalf("a copy was sent from\n%s", said)
	}
	l.moment(500)
	l.kill(c, stderr)
}

func (l *life) diskFull() {
	c, stderr := l.sends()
	l.moment(1000)
	room := l.fillUp(0)
	l.moment(2000) // by then it has mostly stopped by itself
	l.kill(c, stderr)
	room()
}
