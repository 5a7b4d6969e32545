package dispatch

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/ledger"
	"cohort/engine/record"
)

// TestSearch walks every history of small runs by the product's own rules: Decide,
// Ledger.Apply, newQueue and the functions that make its records. In none of them is a
// message accepted twice, or called accepted, refused or suppressed when it is not. At a
// service that takes a reference once, the run reaches its end from every state, once the
// faults stop.
func TestSearch(t *testing.T) {
	t.Parallel()
	deep := os.Getenv("COHORT_PROVE") != ""
	scopes := searched()
	states := 0
	for _, sentence := range slices.Sorted(maps.Keys(scopes)) {
		c := scopes[sentence]
		if deep {
			c.attempts++
			if c.retries+c.resends == 0 {
				c.crashes += min(1, c.crashes)
			}
		}
		s := newSearch(t, c)
		s.enough = true
		s.run()
		t.Logf("%s: %d states, %d ledgers", sentence, len(s.worlds), len(s.nodes))
		states += len(s.worlds)
		if c.resends > 0 && s.decided == 0 {
			t.Errorf("%s: nothing was sent again", sentence)
		}
		if s.worst > 1 {
			t.Errorf("%s: a message was accepted %d times%s", sentence, s.worst, s.history(int32(len(s.worlds)-1)))
		}
		for _, wrong := range append(s.lies, s.stuck...) {
			t.Errorf("%s: %s", sentence, wrong)
		}
	}
	t.Logf("%d states in all", states)
}

// searched lists what is searched, with its bounds; at length there is one more attempt
// and one more crash.
func searched() map[string]scope {
	return map[string]scope{
		"requests lost, delayed, answered late or not":                  {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 6, crashes: 3, flying: 3},
		"requests repeated by the network":                              {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 4, crashes: 2, flying: 2, repeats: 2, bad: 0b01},
		"rows refused, and rules that change after a day":               {kind: engine.Deduplicates, messages: 3, batch: 3, attempts: 4, crashes: 1, flying: 2, bad: 0b101, badLater: 0b011, day: true},
		"everybody refused":                                             {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 3, crashes: 1, flying: 2, bad: 0b11, badLater: 0b11, day: true},
		"requests too large, really or at a gateway's whim":             {kind: engine.Deduplicates, messages: 4, batch: 4, attempts: 5, crashes: 1, flying: 2, most: 2, whim: true},
		"one message that is too large":                                 {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 4, crashes: 2, flying: 2, most: 1, bad: 0b10, whim: true},
		"people listed between the requests":                            {kind: engine.Deduplicates, messages: 3, batch: 3, attempts: 4, crashes: 2, flying: 2, bad: 0b010, listed: 0b110, whim: true},
		"a whole batch listed":                                          {kind: engine.Deduplicates, messages: 4, batch: 2, attempts: 3, crashes: 2, flying: 2, listed: 0b0011},
		"two batches":                                                   {kind: engine.Deduplicates, messages: 4, batch: 2, attempts: 4, crashes: 1, flying: 2, bad: 0b0001, listed: 0b0110},
		"the log lost, with and without the revisions":                  {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 3, crashes: 2, losses: 1, flying: 2, bad: 0b01, badLater: 0b11, day: true, listed: 0b10, noPlan: true},
		"the log lost after a split":                                    {kind: engine.Deduplicates, messages: 3, batch: 3, attempts: 3, crashes: 2, losses: 2, flying: 2, most: 2, listed: 0b010, whim: true},
		"processes that settle and send nothing else":                   {kind: engine.Deduplicates, messages: 4, batch: 2, attempts: 3, crashes: 2, flying: 2, settle: true, bad: 0b01, listed: 0b10},
		"refused messages sent again":                                   {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 4, crashes: 1, flying: 2, retries: 2, bad: 0b11, badLater: 0b01, day: true},
		"refused messages of two batches sent again":                    {kind: engine.Deduplicates, messages: 4, batch: 2, attempts: 3, flying: 1, retries: 1, bad: 0b0110, day: true},
		"and of a batch that was split":                                 {kind: engine.Deduplicates, messages: 3, batch: 3, attempts: 4, flying: 1, retries: 1, most: 2, bad: 0b101, day: true},
		"refused messages sent again, and people listed":                {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 3, crashes: 1, flying: 2, retries: 1, bad: 0b11, listed: 0b10, day: true},
		"refused messages sent again, and the log lost":                 {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 3, crashes: 1, losses: 2, flying: 2, retries: 2, bad: 0b11, badLater: 0b01, day: true},
		"refused messages sent again, people listed, and the log lost":  {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 3, crashes: 1, losses: 1, flying: 1, retries: 1, bad: 0b11, listed: 0b10, day: true},
		"refused messages sent again, and everything lost":              {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 3, crashes: 1, losses: 1, flying: 2, retries: 2, bad: 0b01, day: true, noPlan: true},
		"a cause that is mended while requests are under way":           {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 4, crashes: 1, losses: 1, flying: 3, retries: 1, bad: 0b01, mends: 0b01},
		"a cause mended, where everybody was refused":                   {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 4, crashes: 1, losses: 1, flying: 3, retries: 1, bad: 0b11, mends: 0b11},
		"a cause mended at a service that takes everything":             {kind: engine.CanBeAsked, messages: 2, batch: 2, attempts: 4, crashes: 1, losses: 1, flying: 3, retries: 1, bad: 0b01, mends: 0b01},
		"two processes without the lock":                                {kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 5, flying: 3, unlocked: true, standing: true, bad: 0b0010},
		"a reference that is somebody else's":                           {kind: engine.Deduplicates, messages: 2, batch: 1, attempts: 4, flying: 2, foreign: true, prompt: true, listed: 0b01},
		"a process that another takes over from while it stands still":  {kind: engine.CanBeAsked, messages: 2, batch: 2, attempts: 4, flying: 3, takeover: true, standing: true, bad: 0b01, whim: true},
		"a service that can be asked":                                   {kind: engine.CanBeAsked, messages: 3, batch: 3, attempts: 3, crashes: 2, losses: 1, flying: 2, bad: 0b001, listed: 0b010, whim: true},
		"what is in doubt sent again, behind its receipts":              {kind: engine.CanBeAsked, messages: 2, batch: 1, attempts: 4, crashes: 1, flying: 2, resends: 1, bad: 0b01, badLater: 0b10, day: true},
		"what is in doubt sent again, twice":                            {kind: engine.CanBeAsked, messages: 1, batch: 1, attempts: 4, crashes: 2, flying: 2, resends: 2, day: true},
		"what is in doubt sent again, and receipts that may never come": {kind: engine.CanBeAsked, messages: 2, batch: 1, attempts: 3, crashes: 1, flying: 2, resends: 1, day: true, lateReceipts: true},
		"what is in doubt sent again, and people listed":                {kind: engine.CanBeAsked, messages: 2, batch: 1, attempts: 3, crashes: 1, flying: 2, resends: 1, listed: 0b01, day: true},
		"what is in doubt sent again, and the log lost":                 {kind: engine.CanBeAsked, messages: 1, batch: 1, attempts: 3, crashes: 2, losses: 1, flying: 2, resends: 2, listed: 0b1, day: true, lateReceipts: true},
		"a service that takes everything and can never be asked":        {kind: engine.CanBeAsked, messages: 3, batch: 3, attempts: 3, crashes: 2, losses: 1, flying: 2, bad: 0b001, listed: 0b010, whim: true},
		"two routes":                                {kind: engine.Deduplicates, messages: 4, batch: 2, routes: 2, attempts: 4, crashes: 1, flying: 2, bad: 0b0001, listed: 0b0110},
		"two routes, and the log lost":              {kind: engine.Deduplicates, messages: 3, batch: 2, routes: 2, attempts: 3, crashes: 1, losses: 1, flying: 2, bad: 0b010, listed: 0b001},
		"refused messages of two routes sent again": {kind: engine.Deduplicates, messages: 4, batch: 2, routes: 2, attempts: 3, flying: 1, retries: 1, bad: 0b0110, day: true},
	}
}

// TestUnsafePoliciesFail proves the search. Each policy breaks one rule of TestSearch, and
// then somebody is sent to more than once, or has a false fate. worst counts the acceptances
// of one message within three requests.
func TestUnsafePoliciesFail(t *testing.T) {
	t.Parallel()
	replays := func(_ engine.Kind, s ledger.State, a engine.Answer, now time.Time) record.Result {
		return ledger.Decide(engine.Deduplicates, s, a, now)
	}
	instead := func(of engine.Reply, inDoubt bool, step record.Result) func(engine.Kind, ledger.State, engine.Answer, time.Time) record.Result {
		return func(k engine.Kind, s ledger.State, a engine.Answer, now time.Time) record.Result {
			if a.Reply == of && (s.IsDoubtful() || !inDoubt) {
				return step
			}
			return ledger.Decide(k, s, a, now)
		}
	}
	a := scope{kind: engine.Deduplicates, messages: 2, batch: 2, attempts: 3, crashes: 2, flying: 3}
	b := scope{kind: engine.CanBeAsked, messages: 2, batch: 2, attempts: 3, crashes: 1, flying: 3}
	again := scope{kind: engine.CanBeAsked, messages: 1, batch: 1, attempts: 3, crashes: 1, flying: 2, resends: 1, day: true}
	for sentence, test := range map[string]struct {
		scope  scope
		change func(*scope)
		worst  int
		lies   bool
	}{
		"A: attempts logged first, the same reference, replayed":         {a, func(*scope) {}, 1, false},
		"A: a new reference for each attempt":                            {a, func(c *scope) { c.policy.newReference = true }, 3, false},
		"A: two processes, and suppression lists that one of them reads": {a, func(c *scope) { c.crashes, c.unlocked, c.listed = 0, true, 0b10 }, 2, true},
		"A: the attempt is written when the request goes out":            {a, func(c *scope) { c.policy.lateIntent, c.listed = true, 0b10 }, 2, true},
		"A: no answer is taken for not accepted": {a, func(c *scope) {
			c.policy.decide, c.listed = instead(engine.Unknown, false, record.ResultNotAccepted), 0b10
		}, 2, true},
		"A: a duplicate answer is always taken for accepted": {a, func(c *scope) {
			c.policy.decide, c.foreign, c.prompt = instead(engine.Known, false, record.ResultAccepted), true, true
			c.crashes = 0
		}, 0, true},
		"A: a duplicate answer is taken for a refusal of no row": {a, func(c *scope) { c.policy.decide, c.listed = instead(engine.Known, true, record.ResultRevise), 0b10 }, 2, true},
		"A: refused rows speak for all attempts for ever": {a, func(c *scope) {
			c.policy.decide, c.badLater, c.day = instead(engine.RowsRefused, true, record.ResultRevise), 0b10, true
		}, 2, true},
		"A: too large speaks for all attempts":                             {a, func(c *scope) { c.policy.decide, c.whim = instead(engine.TooLarge, true, record.ResultSplit), true }, 2, true},
		"A: a 425 is taken for not accepted, and a gateway delivers twice": {a, func(c *scope) { c.policy.early, c.crashes, c.listed = true, 0, 0b10 }, 2, true},
		"A: the same, and it is taken for doubt":                           {a, func(c *scope) { c.crashes, c.listed = 0, 0b10 }, 1, false},
		"A: revisions are in the log alone, and it is lost":                {a, func(c *scope) { c.policy.noSecondCopy, c.losses, c.listed = true, 1, 0b10 }, 2, false},
		"A: a recovered log forgets how old its attempts are":              {a, func(c *scope) { c.policy.forgetFirst, c.losses, c.badLater, c.day = true, 1, 0b10, true }, 2, true},
		"A: a refusal, and a copy of the request that comes later":         {a, func(c *scope) { c.policy.copies, c.repeats, c.listed = true, 1, 0b10 }, 2, true},
		"A: what was refused is sent again whatever went unanswered before": {a, func(c *scope) {
			c.attempts, c.retries, c.bad, c.mends, c.policy.rash = 4, 1, 0b01, 0b01, true
		}, 2, false},
		"A: what was refused is sent again, and no second copy knows of it": {a, func(c *scope) {
			c.attempts, c.crashes, c.flying, c.retries, c.losses, c.bad, c.day, c.policy.noSecondCopy = 4, 1, 1, 2, 1, 0b11, true, true
		}, 2, false},
		"A: lists say nothing of those who were refused, and may be again": {a, func(c *scope) {
			c.attempts, c.retries, c.bad, c.listed, c.policy.deaf = 3, 1, 0b01, 0b01, true
		}, 1, true},
		"B, C: what is in doubt is sent again":              {b, func(c *scope) { c.policy.decide, c.policy.queue = replays, engine.Deduplicates }, 3, false},
		"B: the service is asked, and then sent to at once": {b, func(c *scope) { c.policy.decide, c.policy.ask = replays, askAtOnce }, 3, false},
		"B: the service is asked and sent to once the network is quiet": {b, func(c *scope) {
			c.policy.decide, c.policy.ask = replays, askInCalm
			c.takeover, c.standing, c.crashes = true, true, 0
		}, 2, false},
		"B: the same with one process": {b, func(c *scope) { c.policy.decide, c.policy.ask = replays, askInCalm }, 1, false},
		"B: the service is asked, and what it has not got is in doubt": {b, func(c *scope) {
			c.policy.decide, c.policy.ask = replays, askNoResend
			c.takeover, c.standing, c.crashes = true, true, 0
		}, 1, false},
		"B: sent again by a person, behind the receipts":                           {again, func(*scope) {}, 1, false},
		"B: sent again before the receipts had the time":                           {again, func(c *scope) { c.policy.hasty = true }, 2, false},
		"B: sent again without reading the receipts":                               {again, func(c *scope) { c.policy.blind = true }, 2, false},
		"B: sent again whoever was accepted":                                       {again, func(c *scope) { c.policy.bold = true }, 2, false},
		"B: sent again, and receipts that never come: once more for each decision": {again, func(c *scope) { c.lateReceipts = true }, 1, false},
		"B: the same, and it is promised that nobody gets it twice":                {again, func(c *scope) { c.lateReceipts, c.policy.promised = true, true }, 2, false},
		"C: what is in doubt stays so":                                             {b, func(c *scope) { c.kind = engine.CanBeAsked }, 1, false},
	} {
		c := test.scope
		test.change(&c)
		s := newSearch(t, c)
		s.run()
		t.Logf("%-64s accepted at most %d times, %d states", sentence, s.worst, len(s.worlds))
		if s.worst != test.worst || (len(s.lies) > 0) != test.lies {
			t.Errorf("%s: a message was accepted at most %d times, want %d; untrue: %v", sentence, s.worst, test.worst, s.lies)
		}
	}
}
