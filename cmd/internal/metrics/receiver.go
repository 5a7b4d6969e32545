package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cohort/engine/delivery"
	"cohort/sinks/callbacks"
)

// Receiver counts callbacks, from the start of the process on. It is safe for concurrent use.
type Receiver struct {
	received *prometheus.CounterVec
	age, put prometheus.Histogram
}

// kinds name the callbacks by the last word of their path.
var kinds = map[string]string{
	callbacks.MessagesPath: "messages", callbacks.ChannelsPath: "channels", callbacks.ResponsesPath: "responses",
	callbacks.ReceiptsPath: "receipts", callbacks.RepliesPath: "replies",
}

// results name the answers. The receiver keeps a callback that comes again, so stored counts both; a report tells them apart.
var results = map[callbacks.Answer]string{
	callbacks.Stored: "stored", callbacks.WrongKey: "unauthorised", callbacks.WrongSignature: "forged", callbacks.WrongCertificate: "forged",
	callbacks.Unproven: "unproven",
}

// NewReceiver makes a Receiver that has counted nothing.
func NewReceiver() *Receiver {
	r := &Receiver{
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cohort_callbacks_received_total", Help: "Callbacks by kind and result. Unread ones are stored and not understood; failed ones got another answer.",
		}, []string{"kind", "result"}),
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cohort_callback_age_seconds", Help: "Age of an event when its callback came.", Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 7200, 86400},
		}),
		put: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cohort_callback_sync_duration_seconds", Help: "Time to store the events of a callback durably.", Buckets: []float64{.005, .025, .1, .5, 2.5},
		}),
	}
	for _, kind := range kinds { // silence is told from a receiver that is not there
		r.received.WithLabelValues(kind, "stored")
	}
	return r
}

// Count counts one callback.
func (r *Receiver) Count(seen callbacks.Seen) {
	kind, result := kinds[seen.Path], results[seen.Answer]
	if kind == "" {
		kind = "other"
	}
	if result == "" {
		result = "failed"
	}
	if seen.Answer == callbacks.Stored {
		r.put.Observe(seen.Took.Seconds())
	}
	for i := range seen.Events {
		e := &seen.Events[i]
		if e.Kind == delivery.OfUnknown {
			result = "unread"
		}
		if !e.At.IsZero() {
			r.age.Observe(max(0, e.Received.Sub(e.At).Seconds()))
		}
	}
	r.received.WithLabelValues(kind, result).Inc()
}

// Source shows the counts. certificate returns the end of the server's certificate; zero: it has none.
func (r *Receiver) Source(certificate func() time.Time) Source {
	return func(_ context.Context, out chan<- prometheus.Metric) {
		r.received.Collect(out)
		r.age.Collect(out)
		r.put.Collect(out)
		sink{out: out}.moment("cohort_callbacks_certificate_expiry_timestamp_seconds", "When the certificate of the receiver ends.", certificate())
	}
}
