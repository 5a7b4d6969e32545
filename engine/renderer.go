package engine

// Renderer makes the bytes of requests outside a run: for those who want to see them, or
// have lost a copy. It is not safe for concurrent use.
type Renderer struct {
	builder builder
	body    body
}

// NewRenderer makes a renderer of a run's requests.
func NewRenderer(run RunID, source Source, sink Sink) *Renderer {
	return &Renderer{builder: builder{run: run, source: source, sink: sink}}
}

// Render makes the request of a form as it was planned, or recorded. One that does not
// come out so is ErrChanged. The request holds until the next is rendered; it has no
// correlation id, since it is no attempt.
func (r *Renderer) Render(planned *PlannedBatch, id FormID, form *Form) (*Request, error) {
	if err := r.builder.rebuild(&r.body, planned, id, form); err != nil {
		return nil, err
	}
	return &Request{Reference: r.body.reference, Body: r.body.bytes, Messages: r.body.messages}, nil
}
