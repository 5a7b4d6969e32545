// Vegeta-peer posts ready-made requests, one line of a file each, with vegeta's attacker.
// It reads no cohort and renders nothing: it is what a load generator can do at best.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func main() {
	url := flag.String("url", "", "where to post")
	file := flag.String("file", "", "ready-made bodies, one a line")
	each := flag.Int("batch", 1, "messages a body")
	inFlight := flag.Uint64("in-flight", 32, "requests at once")
	messages := flag.Int64("messages", 0, "stop after about so many")
	seconds := flag.Float64("seconds", 0, "stop after so long; 0: when the messages are sent")
	flag.Parse()
	text, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	bodies := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	requests := *messages / int64(*each)
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	held := make([]int64, len(bodies)) // messages in each
	for i, body := range bodies {
		held[i] = int64(bytes.Count(body, []byte(`"messageReference"`)))
	}
	var next, sent atomic.Int64
	targeter := func(t *vegeta.Target) error {
		i := next.Add(1) - 1
		if i >= requests {
			return vegeta.ErrNoTargets
		}
		sent.Add(held[i%int64(len(bodies))]) // what is handed out is posted, or ends the program
		t.Method, t.URL, t.Header, t.Body = http.MethodPost, *url, header, bodies[i%int64(len(bodies))]
		return nil
	}
	attacker := vegeta.NewAttacker(vegeta.Workers(*inFlight), vegeta.MaxWorkers(*inFlight), vegeta.MaxBody(0), vegeta.Connections(int(*inFlight)))
	// A rate of nothing is as fast as the workers can.
	for result := range attacker.Attack(targeter, vegeta.Rate{}, time.Duration(*seconds*float64(time.Second)), "") {
		if result.Code != http.StatusCreated && result.Error != vegeta.ErrNoTargets.Error() {
			log.Fatalf("the service answered %d %s", result.Code, result.Error)
		}
	}
	fmt.Printf("{\"sent\":%d}\n", sent.Load())
}
