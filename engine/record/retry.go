package record

// isOfRefused reports whether a revision is about messages that were refused before, and
// replaces no form.
func (r *Revision) IsOfRefused() bool { return r.Form.Revision == r.Number }
