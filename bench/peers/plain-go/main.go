// Plain-go is the sender that a competent engineer writes in an hour: encoding/csv, a
// map of the people seen, encoding/json, errgroup, x/time/rate and net/http. It keeps no
// ledger, reads no ids out of the answers, and forgets everything when it ends.
package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

type recipient struct {
	NHSNumber string `json:"nhsNumber"`
}

type message struct {
	Reference       string            `json:"messageReference"`
	Recipient       recipient         `json:"recipient"`
	Personalisation map[string]string `json:"personalisation"`
}

type attributes struct {
	Plan      string    `json:"routingPlanId"`
	Reference string    `json:"messageBatchReference"`
	Messages  []message `json:"messages"`
}

type data struct {
	Type       string     `json:"type"`
	Attributes attributes `json:"attributes"`
}

type request struct {
	Data data `json:"data"`
}

func main() {
	url := flag.String("url", "", "where to post")
	file := flag.String("file", "", "the cohort")
	each := flag.Int("batch", 1000, "messages a request")
	inFlight := flag.Int("in-flight", 32, "requests at once")
	perSecond := flag.Float64("per-second", 0, "messages a second; 0: no limit")
	seconds := flag.Float64("seconds", 0, "stop after so long; 0: at the end of the file")
	flag.Parse()
	sent, err := send(*url, *file, *each, *inFlight, *perSecond, *seconds)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"sent\":%d}\n", sent)
}

func send(url, file string, each, inFlight int, perSecond, seconds float64) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rows := csv.NewReader(f)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return 0, err
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	limit := rate.Inf
	if perSecond > 0 {
		limit = rate.Limit(perSecond)
	}
	limiter := rate.NewLimiter(limit, each)
	client := &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: inFlight},
	}
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(inFlight)
	var sent atomic.Int64
	post := func(batch []message) {
		group.Go(func() error {
			if err := limiter.WaitN(ctx, len(batch)); err != nil {
				return err
			}
			if err := postBatch(ctx, client, url, batch); err != nil {
				return err
			}
			sent.Add(int64(len(batch)))
			return nil
		})
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	seen := map[string]bool{}
	var batch []message
	for ctx.Err() == nil && (seconds == 0 || time.Now().Before(end)) {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		number := strings.ReplaceAll(row[column["nhs_number"]], " ", "")
		if !valid(number) || seen[number] {
			continue
		}
		seen[number] = true
		batch = append(batch, message{
			Reference: uuid.NewString(),
			Recipient: recipient{number},
			Personalisation: map[string]string{
				"patient_first_name": row[column["given_name"]],
				"appointment":        fmt.Sprintf("%s at %s, %s", row[column["appointment_date"]], row[column["appointment_time"]], row[column["clinic_name"]]),
			},
		})
		if len(batch) == each {
			post(batch)
			batch = nil
		}
	}
	if len(batch) > 0 {
		post(batch)
	}
	err = group.Wait()
	return sent.Load(), err
}

func postBatch(ctx context.Context, client *http.Client, url string, batch []message) error {
	body, err := json.Marshal(request{data{"MessageBatch", attributes{"b838b13c-f98c-4def-93f0-515d4e4f4ee1", uuid.NewString(), batch}}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("the service answered %s", resp.Status)
	}
	return nil
}

// valid checks the length and the check digit of an NHS number (modulus 11).
func valid(number string) bool {
	if len(number) != 10 {
		return false
	}
	sum := 0
	for i, c := range number {
		if c < '0' || c > '9' {
			return false
		}
		sum += int(c-'0') * (10 - i)
	}
	return sum%11 == 0 && strings.Trim(number, number[:1]) != ""
}
