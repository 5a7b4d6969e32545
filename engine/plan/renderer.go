package plan

import "cohort/engine"

// Renderer makes requests outside a run, to show them or to restore a lost copy. It is not safe for concurrent use.
type Renderer struct {
	builder Builder
	body    Body
}

// NewRenderer returns a renderer of a run's requests.
func NewRenderer(references engine.References, source engine.Source, sink engine.Sink) *Renderer {
	return &Renderer{builder: Builder{References: references, Source: source, Sink: sink}}
}

// Render makes the request of a form. A form that does not come out as recorded is ErrChanged. The request is valid
// until the next call. It lacks a correlation id, since it is no attempt.
func (r *Renderer) Render(planned *Batch, id FormID, form *Form) (*engine.Request, error) {
	if err := r.builder.Rebuild(&r.body, planned, id, form); err != nil {
		return nil, err
	}
	return &engine.Request{Reference: r.body.Reference, Body: r.body.Bytes, Messages: r.body.Messages}, nil
}
