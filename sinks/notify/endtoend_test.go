package notify

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"cohort/engine"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
)

// simulated starts a strict service with faults and a sink for it.
func simulated(t *testing.T, o simulator.Options) (*simulator.Server, *Sink) {
	t.Helper()
	o.APIKey, o.KeyID, o.PublicKey = apiKey, keyID, &signingKey().PublicKey
	service := simulator.New(o)
	web := httptest.NewServer(service)
	t.Cleanup(web.Close)
	set := options(t, web.URL, web.URL+"/oauth2/token")
	set.ODSCode = "X26"
	set.Fields = []Field{{"body", template(t, "Dear ((given)), ((note))", "given", "note")}}
	return service, New(set)
}

func TestBatchesAreAcceptedOnce(t *testing.T) {
	service, s := simulated(t, simulator.Options{Seed: 1})
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	const batches, each = 8, 250
	ids := map[string]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for batch := range batches {
		all.Go(func() {
			r := request(s, uint32(batch), batch*each*2, each)
			a := s.Send(context.Background(), r)
			if a.Reply != engine.Accepted || len(a.IDs) != each {
				t.Errorf("batch %d: %+v", batch, a)
			}
			mu.Lock()
			for _, id := range a.IDs {
				ids[id] = true
			}
			mu.Unlock()
			for range 2 {
				if a := s.Send(context.Background(), r); a.Reply != engine.Known || a.Status != http.StatusUnprocessableEntity || a.Halt != "" || a.IDs != nil {
					t.Errorf("batch %d again: %+v", batch, a)
				}
			}
		})
	}
	all.Wait()
	stats := service.Stats()
	if len(ids) != batches*each || stats.MessagesAccepted != batches*each || stats.PeopleTwice != 0 || stats.ReferencesTwice != 0 || stats.ReplaysWithOtherBody != 0 || stats.Duplicates != 2*batches {
		t.Errorf("%d ids, %+v", len(ids), stats)
	}
}

func TestTheRightRowsAreRefused(t *testing.T) {
	set := faults.Set{faults.PoisonedRecipients: {Share: 0.1}}
	service, s := simulated(t, simulator.Options{Seed: 3, Faults: set})
	r := request(s, 1, 0, 200)
	var want []int
	for i := range r.Messages {
		if faults.NewDice(3, set).Poisoned(number(i * 2).Digits()) {
			want = append(want, i)
		}
	}
	a := s.Send(context.Background(), r)
	var got []int
	for _, row := range a.Rows {
		got = append(got, row.Index)
	}
	if a.Reply != engine.RowsRefused || len(want) == 0 || len(want) > 100 || !slices.Equal(got, want) {
		t.Errorf("reply %d, rows %v, not %v", a.Reply, got, want)
	}
	if n := service.Stats().MessagesAccepted; n != 0 {
		t.Errorf("%d messages were accepted", n)
	}
}

func TestFailuresOfTheService(t *testing.T) {
	for _, test := range []struct {
		sentence string
		fault    faults.Kind
		reply    engine.Reply
		then     engine.Reply // to the replay
	}{
		{"a reset before anything is accepted", faults.ResetBefore, engine.Unknown, engine.Accepted},
		{"a reset after all is accepted", faults.ResetAfter, engine.Unknown, engine.Known},
		{"a 504 before", faults.Gateway504Before, engine.Unknown, engine.Accepted},
		{"a 504 after", faults.Gateway504After, engine.Unknown, engine.Known},
		{"a 500 before", faults.Error500Before, engine.Unknown, engine.Accepted},
		{"a 500 after", faults.Error500After, engine.Unknown, engine.Known},
		{"a 201 that breaks off", faults.Truncated201, engine.Unknown, engine.Known},
		{"the quota", faults.Quota429, engine.Refused, engine.Accepted},
		{"a spike", faults.Spike429, engine.Refused, engine.Accepted},
		{"a service that is away", faults.Unavailable503, engine.Unknown, engine.Accepted},
		{"a gateway that cannot reach it", faults.BadGateway502, engine.Unknown, engine.Accepted},
		{"an error in HTML", faults.HTMLError, engine.Unknown, engine.Accepted},
		{"an acceptance that takes its time", faults.SlowAccept, engine.Unknown, engine.Unknown},
		{"a request that a gateway delivers twice", faults.DeliveredTwice, engine.Unknown, engine.Unknown},
		{"a token endpoint that fails", faults.TokenEndpoint500, engine.Unsent, engine.Accepted},
		{"a ban", faults.Banned, engine.Refused, engine.Accepted},
		{"a routing plan that is gone", faults.NoSuchPlan, engine.Refused, engine.Accepted},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			service, s := simulated(t, simulator.Options{Faults: faults.Set{test.fault: {Share: 1, Limit: 1}}})
			r := request(s, 1, 1, 20)
			if a := s.Send(context.Background(), r); a.Reply != test.reply {
				t.Errorf("%+v", a)
			}
			if a := s.Send(context.Background(), r); a.Reply != test.then {
				t.Errorf("then: %+v", a)
			}
			if stats := service.Stats(); stats.MessagesAccepted != 20 || stats.PeopleTwice != 0 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

func TestARevokedTokenIsReplaced(t *testing.T) {
	service, s := simulated(t, simulator.Options{Faults: faults.Set{faults.TokenRevoked: {Share: 1, Limit: 3}}})
	refused := 0
	for batch := range 30 {
		r := request(s, uint32(batch), batch*10, 4)
		a := s.Send(context.Background(), r)
		if a.Reply == engine.Refused && a.Status == 401 && a.Halt == "" {
			refused++
			a = s.Send(context.Background(), r)
		}
		if a.Reply != engine.Accepted {
			t.Errorf("batch %d: %+v", batch, a)
		}
	}
	if refused != 3 || service.Stats().MessagesAccepted != 120 {
		t.Errorf("%d refusals, %+v", refused, service.Stats())
	}
}
