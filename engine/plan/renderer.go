package plan

import (
	"cohort/engine"
)

// Renderer makes the bytes of requests outside a run: for those who want to see them, or
// have lost a copy. It is not safe for concurrent use.
type Renderer struct {
	builder Builder
	body    Body
}

// NewRenderer makes a renderer of a run's requests.
func NewRenderer(run engine.RunID, source engine.Source, sink engine.Sink) *Renderer {
	return &Renderer{builder: Builder{Run: run, Source: source, Sink: sink}}
}

// Render makes the request of a form as it was planned, or recorded. One that does not
// come out so is ErrChanged. The request holds until the next is rendered; it has no
// correlation id, since it is no attempt.
func (r *Renderer) Render(planned *Batch, id FormID, form *Form) (*engine.Request, error) {
	if err := r.builder.Rebuild(&r.body, planned, id, form); err != nil {
		return nil, err
	}
	return &engine.Request{Reference: r.body.Reference, Body: r.body.Bytes, Messages: r.body.Messages}, nil
}
