package dispatch

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/bench"
)

func TestWhatIsSentMustBeWhatIsCounted(t *testing.T) {
	for sentence, test := range map[string]struct {
		said, counted int64
		whole         bool
		wrong         string
	}{
		"all of it":                                  {100, 100, true, ""},
		"a part, when its time was over":             {40, 40, false, ""},
		"a part, of a sender that sends all":         {40, 40, true, "40 messages of 100"},
		"the sender says more":                       {41, 40, false, "has sent 41"},
		"the sender says less":                       {39, 40, false, "has sent 39"},
		"more than there is":                         {101, 101, false, "there are 100"},
		"nothing":                                    {0, 0, false, "nothing was sent"},
		"a sender that does not say, stopped":        {-1, 40, false, ""},
		"a sender that does not say, at its end":     {-1, 100, true, ""},
		"a sender that does not say and loses some":  {-1, 99, true, "99 messages of 100"},
		"a sender that does not say and sends twice": {-1, 101, true, "there are 100"},
	} {
		err := Outcome{Result{Sent: test.said}, Counted{Messages: test.counted}}.check(100, test.whole)
		if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s: %v", sentence, err)
		}
		if _, ok := errors.AsType[*Miscount](err); err != nil && !ok {
			t.Errorf("%s: %T", sentence, err)
		}
	}
}

func TestWhatIsChosen(t *testing.T) {
	for sentence, test := range map[string]struct {
		only   []string
		groups []string
		peers  []string
	}{
		"everything":                              {nil, Groups(), Peers()},
		"groups, in their order":                  {[]string{"single", "batched"}, []string{"batched", "single"}, []string{plainGo}},
		"a peer, with the plain Go loop":          {[]string{"node"}, []string{"peers"}, []string{plainGo, "node"}},
		"the whole send, with the plain Go loop":  {[]string{"whole"}, []string{"whole", "peers"}, []string{plainGo}},
		"the whole send beside every peer":        {[]string{"peers", "whole"}, []string{"whole", "peers"}, Peers()},
		"a group and a peer, with the group once": {[]string{"peers", "node"}, []string{"peers"}, Peers()},
	} {
		groups, some, err := chosen(test.only)
		var names []string
		for _, p := range some {
			names = append(names, p.name)
		}
		if err != nil || !slices.Equal(groups, test.groups) || !slices.Equal(names, test.peers) {
			t.Errorf("%s: %v %v %v", sentence, groups, names, err)
		}
	}
	if _, _, err := chosen([]string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "there are: batched") {
		t.Error(err)
	}
}

func TestEveryEngineStandsBesideItsFloors(t *testing.T) {
	all := cells(Groups(), []time.Duration{0, 20 * time.Millisecond}, peers)
	engines := 0
	for i, c := range all {
		if c.sender != engineTask || c.strict {
			continue
		}
		engines++
		for j, sender := range []string{httpTask, socketTask} {
			floor := c
			floor.sender = sender
			if all[i+1+j] != floor {
				t.Errorf("behind %s stands %s", c, all[i+1+j])
			}
		}
	}
	if engines != (4+3)*2 {
		t.Errorf("%d cells of the engine", engines)
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	all := cells([]string{batchedGroup, wholeGroup, peersGroup}, []time.Duration{0}, peers[:2])
	var rounds [][]Outcome
	for _, slow := range []float64{1, 10, 3} { // the machine, in each round
		var round []Outcome
		for _, c := range all {
			seconds := map[string]float64{engineTask: 4, httpTask: 2, socketTask: 1, wholeTask: 3, plainGo: 12, "vegeta": 6}[c.sender] * slow
			round = append(round, Outcome{
				Result{Sent: 1e6, Usage: bench.Usage{Seconds: seconds, CPU: 2, Peak: map[bool]int64{true: 100, false: 400}[c.sender == wholeTask]}},
				Counted{Messages: 1e6, Requests: 1000},
			})
		}
		rounds = append(rounds, round)
	}
	rows := tabulate(all, rounds, map[string]string{"vegeta": "not here"})
	for _, row := range rows {
		switch {
		case row.Sender == engineTask && (row.ToHTTP != 0.5 || row.ToSockets != 0.25 || row.Rate != 1e6/12 || row.CPUMillion != 2):
			t.Errorf("%+v", row)
		case row.Sender == engineTask && row.Shape == thousandShape && row.ToPlainGo != 3:
			t.Errorf("%+v", row)
		case row.Sender == wholeTask && (row.ToPlainGo != 4 || row.MemoryTo != 0.25):
			t.Errorf("%+v", row)
		case row.Sender == "vegeta" && (row.Absent != "not here" || row.Rate != 0):
			t.Errorf("%+v", row)
		}
	}
	r := Report{Rows: rows}
	var table bytes.Buffer
	if err := r.Print(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cohort, dispatching", "floor: sockets", "vegeta, ready-made requests (left out: not here)", "to plain Go"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, table.String())
		}
	}
	if groups := r.Chart().Groups; len(groups) != 4+2 || len(groups[0].Bars) != 3 || len(groups[4].Bars) != 2 || !groups[4].Bars[0].Ours {
		t.Errorf("%+v", groups)
	}
}
