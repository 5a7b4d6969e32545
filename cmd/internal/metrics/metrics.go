// Package metrics shows runs, and the receiver of callbacks, to Prometheus. A run's figures are folds over its log, so a
// resumed run goes on where it was. Only Own of a snapshot begins anew with each process.
package metrics

import (
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"cohort/engine/build"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// Run is one look at a run.
type Run struct {
	Folder   string
	RunID    string
	Plan     *plan.Header       // nil: there is none yet
	Campaign *campaign.Campaign // nil: it cannot be read, and what it says is left out
	State    ledger.RunState
	Now      dispatch.Snapshot // of a run that nobody works on: made from its log, without Own and Expected
	Live     bool              // Now is from the process at work
	Delivery *Delivery         // nil: nobody counted
}

// Of returns a look at a run from inside the process that sends it.
func Of(folder string, h *plan.Header, c *campaign.Campaign, now dispatch.Snapshot) *Run {
	return &Run{Folder: folder, RunID: h.RunID, Plan: h, Campaign: c, State: now.State, Now: now, Live: true}
}

// states are all that a run can be in. A series for each shows when it left one.
var states = []ledger.RunState{
	ledger.Preparing, ledger.WaitingWindow, ledger.WaitingService, ledger.Sending, ledger.Paused, ledger.Reconciling,
	ledger.RunStopped, ledger.Died, ledger.Halted, ledger.EndedInDoubt, ledger.SupersededRun, ledger.Finished,
}

// mostRoutes limits the series by route. Those behind it are counted together.
const mostRoutes = 20

// sink collects metrics with the labels of one run; without a run, with none.
type sink struct {
	out           chan<- prometheus.Metric
	run, campaign string
}

// desc describes a metric. labels are names and values in turn.
func (s sink) desc(name, help string, labels ...string) (*prometheus.Desc, []string) {
	if s.run != "" {
		labels = append([]string{"run", s.run, "campaign", s.campaign}, labels...)
	}
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, strings.ToValidUTF8(labels[i+1], "?"))
	}
	return prometheus.NewDesc(name, help, names, nil), values
}

func (s sink) gauge(name, help string, value float64, labels ...string) {
	d, values := s.desc(name, help, labels...)
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, values...)
}

func (s sink) counter(name, help string, value float64, labels ...string) {
	d, values := s.desc(name, help, labels...)
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, values...)
}

// moment is a gauge for a time that may be unknown.
func (s sink) moment(name, help string, t time.Time) {
	if !t.IsZero() {
		s.gauge(name, help, float64(t.UnixMilli())/1000)
	}
}

// summary has a sum and a count, and no quantiles.
func (s sink) summary(name, help string, count uint64, sum float64) {
	d, values := s.desc(name, help)
	s.out <- prometheus.MustNewConstSummary(d, count, sum, nil, values...)
}

func (s sink) histogram(name, help string, count uint64, sum float64, buckets map[float64]uint64) {
	d, values := s.desc(name, help)
	s.out <- prometheus.MustNewConstHistogram(d, count, sum, buckets, values...)
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// label is the value of the label run.
func (r *Run) label() string { return r.RunID[:min(8, len(r.RunID))] }

// collect sends all metrics of a run.
func (r *Run) collect(out chan<- prometheus.Metric) {
	s := sink{out: out, run: r.label()}
	if r.Plan != nil {
		s.campaign = r.Plan.Campaign
	}
	for _, state := range states {
		s.gauge("cohort_run_state", "1 for the state that the run is in, 0 for the others.",
			oneIf(state == r.State), "state", string(state))
	}
	s.moment("cohort_run_seen_timestamp_seconds", "When these figures were read. An old time in a file says that its writer is gone.",
		r.Now.At)
	if r.Plan == nil {
		return
	}
	s.gauge("cohort_run_info", "Always 1.", 1, "sink", r.Plan.Service, "version", build.Version())
	s.moment("cohort_run_planned_timestamp_seconds", "When the plan of the run was made.", r.Plan.Created)
	r.messages(s)
	r.requests(s)
	if r.Campaign != nil {
		r.pace(s)
	}
	r.disk(s)
	if r.Live {
		r.own(s)
	}
	if r.Delivery != nil {
		r.Delivery.collect(s)
	}
}

func (r *Run) messages(s sink) {
	t, fates := &r.Now.Traffic, r.Now.Account.Fates
	for _, fate := range person.Fates {
		s.gauge("cohort_records", "Records of the cohort by fate. Together they are all of them.",
			float64(fates[fate]), "fate", string(fate))
	}
	accepted := map[string]uint64{}
	for i, n := range t.Accepted {
		switch {
		case len(r.Plan.Routes) == 0:
			accepted[""] = n
		case i < mostRoutes:
			accepted[r.Plan.Routes[i].Name] = n
		default:
			accepted["(other)"] += n
		}
	}
	for route, n := range accepted {
		s.counter("cohort_messages_accepted_total", "Messages that the service accepted, by route. The label is empty without routes.",
			float64(n), "route", route)
	}
	for _, a := range t.Refused {
		s.counter("cohort_messages_refused_total", "Messages that the service refused, by its code. One that is sent again and refused again counts twice.",
			float64(a.N), "code", a.Code)
	}
	for _, a := range t.Halts {
		s.counter("cohort_halts_total", "Times that the run stopped itself, by cause.",
			float64(a.N), "cause", a.Code)
	}
	s.gauge("cohort_messages_in_doubt", "Messages that the service may have.", float64(fates[person.InDoubt]))
	s.gauge("cohort_messages_left", "Messages still to be sent, without those that wait for a person.",
		float64(r.Now.Left))
}

func (r *Run) requests(s sink) {
	t, requests := &r.Now.Traffic, uint64(0)
	for result, n := range map[string]uint64{
		"accepted": t.Results.Accepted, "duplicate": t.Results.Duplicate, "throttled": t.Results.Throttled,
		"refused": t.Results.Refused, "unanswered": t.Results.Unanswered,
	} {
		s.counter("cohort_requests_total", "Requests by their end. Throttled is 429 and 503; refused is every other answer.",
			float64(n), "result", result)
		requests += n
	}
	s.summary("cohort_request_messages", "Messages in a request.", requests, float64(t.Messages))
	buckets, answered := map[float64]uint64{}, uint64(0)
	for i, n := range t.Took {
		if answered += n; i < len(ledger.TookBounds) {
			buckets[ledger.TookBounds[i].Seconds()] = answered
		}
	}
	s.histogram("cohort_request_duration_seconds", "Time from the attempt in the log to the answer.",
		answered, float64(t.Millis)/1000, buckets)
	s.moment("cohort_last_answer_timestamp_seconds", "The latest answer of the service.", t.ReachableAt)
	s.moment("cohort_last_accepted_timestamp_seconds", "The latest acceptance by the service.", t.AcceptedAt)
}

// pace shows what the campaign allows, and what is expected.
func (r *Run) pace(s sink) {
	now := &r.Now
	if r.Campaign.StopIf.Of > 0 {
		s.gauge("cohort_stop_if_ratio", "The share of refused messages that halts the run.",
			r.Campaign.StopIf.Refused)
	}
	o, ok := pace.NextOpening(r.Campaign.Pace, now.At)
	s.gauge("cohort_window_open", "1 while the window of the campaign is open, or when it has none.",
		oneIf(ok && o.IsOpen(now.At)))
	s.moment("cohort_window_closes_timestamp_seconds", "When the window closes that is open or comes next.",
		o.Closes)
	if r.Live {
		s.gauge("cohort_pace_target_per_second", "Messages a second that the pace allows now; 0: as fast as the service takes them.",
			now.Rate)
	}
	if r.Live && !now.Paused { // nobody knows the end of a pause
		s.moment("cohort_expected_end_timestamp_seconds", "When the last message goes, if nothing comes in between.",
			now.Expected.Last)
		s.gauge("cohort_window_remaining_messages", "Messages that are expected to be left when the window closes.",
			float64(now.Expected.Remain))
	}
}

func (r *Run) disk(s sink) {
	folder := filepath.Join(r.Folder, ledger.LogFolder)
	reserve := sizeOf(filepath.Join(folder, "reserve"))
	s.gauge("cohort_log_bytes", "Size of the progress log.", sizeOf(folder)-reserve)
	s.gauge("cohort_log_reserve_bytes", "Room that is reserved for answers on a full disk; 0 when it is in use.",
		reserve)
	var disk unix.Statfs_t
	if unix.Statfs(r.Folder, &disk) == nil {
		s.gauge("cohort_disk_free_bytes", "Free room on the disk of the run's folder.",
			float64(disk.Bavail)*float64(disk.Bsize))
	}
}

// sizeOf adds up the files at a path. It leaves out what cannot be read.
func sizeOf(path string) (bytes float64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				bytes += float64(info.Size())
			}
		}
		return nil
	})
	return bytes
}

// own shows what only the process at work knows.
func (r *Run) own(s sink) {
	own := &r.Now.Own
	s.counter("cohort_pace_waiting_seconds_total", "Time in which this process started nothing: it waited for the window, the pace or the service.",
		own.Waited.Seconds())
	s.summary("cohort_log_sync_duration_seconds", "Time of a durable write of the progress log.",
		uint64(own.Syncs), own.SyncTook.Seconds())
	s.moment("cohort_token_expiry_timestamp_seconds", "When the present access token ends.", own.TokenExpires)
	s.moment("cohort_token_failing_since_timestamp_seconds", "Since when no new access token comes; absent while they come.",
		own.TokenFailing)
	if k := r.Now.Key; k != nil {
		s.gauge("cohort_key_requests_per_minute", "Requests of all runs on an API key in the latest minute.",
			float64(k.Requests), "key", k.Share)
		s.gauge("cohort_key_quota_per_minute", "Requests a minute that the API key is allowed.",
			float64(k.Quota), "key", k.Share)
	}
}
