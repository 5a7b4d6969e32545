package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

const routingPlan = "b838b13c-f98c-4def-93f0-515d4e4f4ee1"

// badShare is the share of records with a bad number or a person who has a record already.
const badShare = 0.02

// cohortFile is a cohort file and what it holds.
type cohortFile struct {
	path string
	truth
}

// cohort makes a cohort file in the folder, and a gzip of it when packed.
func (b *bencher) cohort(ctx context.Context, name string, records int, bad float64, packed bool) (cohortFile, error) {
	b.say("making a cohort of %d records", records)
	c := cohortFile{path: filepath.Join(b.folder, name)}
	_, err := askChild(ctx, &c.truth, "make", "-file", c.path, "-n", strconv.Itoa(records),
		"-bad", fmt.Sprint(bad), "-gzip="+strconv.FormatBool(packed))
	return c, err
}

// shape is a cohort and the most messages of it in a request.
type shape struct {
	c     cohortFile
	batch int
}

// shapes makes the cohort for 1,000 messages a request, and the one for single messages: a tenth of
// it, or with -whole the same.
func (b *bencher) shapes(ctx context.Context) ([]shape, error) {
	whole, err := b.cohort(ctx, "cohort.csv", b.records, badShare, false)
	if err != nil {
		return nil, err
	}
	single := whole
	if !b.wholeSingle {
		single, err = b.cohort(ctx, "tenth.csv", b.records/10, badShare, false)
	}
	return []shape{{whole, 1000}, {single, 1}}, err
}

// campaign writes a campaign file and its secrets into a folder.
func (b *bencher) campaign(folder, address string, batch int, perSecond float64) error {
	text := fmt.Sprintf(`campaign: bench
profile: test
cohort:
  required: [appointment_date, appointment_time]
  types: {appointment_date: date, appointment_time: time}
personalisation:
  patient_first_name: "((given_name))"
  appointment: "((appointment_date)) at ((appointment_time)), ((clinic_name))"
pace: {per_second: %g}
sink:
  notify:
    base_url: http://%s/comms
    token_url: http://%[2]s/oauth2/token
    api_key_file: secrets/api-key
    key_id: bench-1
    private_key_file: secrets/bench-1.pem
    routing_plan_id: %s
    batch: {max_messages: %d}
`, perSecond, address, routingPlan, batch)
	if err := os.WriteFile(filepath.Join(folder, "campaign.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	secrets := filepath.Join(folder, "secrets")
	if err := os.Mkdir(secrets, 0o700); errors.Is(err, os.ErrExist) {
		return nil // the campaign file alone is new
	} else if err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return errors.Join(
		os.WriteFile(filepath.Join(secrets, "api-key"), []byte("bench"), 0o600),
		os.WriteFile(filepath.Join(secrets, "bench-1.pem"), private, 0o600))
}

// cohortRun is a send of cohort in a folder of its own.
type cohortRun struct {
	folder  string // of the campaign
	used    used
	counted counted
}

// runFolder is the folder of the run.
func (r cohortRun) runFolder() string { return filepath.Join(r.folder, "run") }

// newRun makes a folder with a campaign for the service, in parent.
func (b *bencher) newRun(parent string, s *running, batch int, perSecond float64) (cohortRun, error) {
	b.attempts++
	r := cohortRun{folder: filepath.Join(parent, fmt.Sprintf("send-%d", b.attempts))}
	if err := os.Mkdir(r.folder, 0o700); err != nil {
		return r, err
	}
	return r, b.campaign(r.folder, s.address, batch, perSecond)
}

// sending is the call of cohort send for a run.
func (b *bencher) sending(r cohortRun, c cohortFile) program {
	return program{
		path: b.binary, dir: r.folder, temp: r.folder,
		args: append([]string{"send", "-c", "campaign.yaml", c.path, "--run", "run"}, b.flags...),
	}
}

// send starts a service, has cohort send the cohort to it, and compares the counts. keep
// leaves the folder to the caller.
func (b *bencher) send(
	ctx context.Context, parent string, c cohortFile, batch int, perSecond float64, keep bool,
) (r cohortRun, err error) {
	s, err := startService(ctx, b.latency)
	if err != nil {
		return r, err
	}
	defer s.stop()
	if r, err = b.newRun(parent, s, batch, perSecond); err != nil {
		return r, err
	}
	if !keep {
		defer func() { err = errors.Join(err, os.RemoveAll(r.folder)) }()
	}
	if _, r.used, err = runProgram(ctx, b.sending(r, c)); err != nil {
		return r, err
	}
	r.counted, err = s.counted(ctx, false)
	return r, errors.Join(err, agree(r.counted.Messages, c.Sendable))
}

// sendBy starts a service and has a child send the cohort to it.
func (b *bencher) sendBy(
	ctx context.Context, name string, c cohortFile, batch int, perSecond float64, options ...string,
) (u used, n counted, sent said, err error) {
	s, err := startService(ctx, b.latency)
	if err != nil {
		return u, n, sent, err
	}
	defer s.stop()
	inFlight := 32
	if batch == 1 {
		inFlight = 64
	}
	args := append([]string{"-url", "http://" + s.address + submitPath, "-file", c.path, "-batch", strconv.Itoa(batch),
		"-in-flight", strconv.Itoa(inFlight), "-per-second", fmt.Sprint(perSecond)}, options...)
	if u, err = askChild(ctx, &sent, name, args...); err != nil {
		return u, n, sent, err
	}
	if n, err = s.counted(ctx, false); err != nil {
		return u, n, sent, err
	}
	return u, n, sent, agree(n.Messages, sent.Sent)
}

// agree compares what the service has counted with what was to be sent.
func agree(counted, want int64) error {
	if counted != want {
		return fmt.Errorf("the service has counted %d messages and not %d, so the rate means nothing", counted, want)
	}
	return nil
}

// sentSample is the sample of a send.
func sentSample(u used, n counted) sample {
	s := u.sample(n.Messages)
	s[kWire] = n.Wire
	s[kFirst] = float64(n.First-u.began.UnixNano()) / 1e9
	return s
}
