package ledger

import (
	"cmp"
	"maps"
	"slices"

	"cohort/engine/plan"
	"cohort/engine/record"
)

// FormIDs lists every form, in order.
func (l *Ledger) FormIDs() []plan.FormID {
	var all []plan.FormID
	for b := range l.base {
		all = append(all, plan.FormID{Batch: uint32(b)})
	}
	newer := slices.SortedFunc(maps.Keys(l.newer), ByForm)
	return append(all, newer...)
}

func ByForm(a, b plan.FormID) int {
	return cmp.Or(cmp.Compare(a.Batch, b.Batch), cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Part, b.Part))
}

// Clone copies a ledger, so that a record may be folded into the copy.
func (l *Ledger) Clone() *Ledger {
	c := *l
	c.base, c.codes = slices.Clone(l.base), slices.Clone(l.codes)
	c.newer = make(map[plan.FormID]*newerForm, len(l.newer))
	for id, n := range l.newer {
		form := *n
		c.newer[id] = &form
	}
	c.last, c.due, c.Unsure, c.early = maps.Clone(l.last), maps.Clone(l.due), maps.Clone(l.Unsure), maps.Clone(l.early)
	for _, rows := range []*map[uint32][]record.RefusedRow{&c.refused, &c.listed, &c.late} {
		*rows = maps.Clone(*rows)
		for batch, r := range *rows {
			(*rows)[batch] = slices.Clone(r)
		}
	}
	return &c
}
