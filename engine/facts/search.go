package facts

import (
	"cohort/engine/delivery"
	"cohort/engine/inbox"
)

// Search calls fn with each event about some messages of the runs in dirs. wanted are the references of the messages.
// It reads each inbox once, and parses nothing else, so it is for few messages among millions of events. An event may
// come more than once.
func Search(dirs []string, wanted map[string]bool, fn func(*delivery.Event) error) error {
	take := func(_ inbox.Position, e delivery.Event) error {
		if !wanted[e.Reference] {
			return nil
		}
		return fn(&e)
	}
	type rest struct {
		*Facts
		from inbox.Position
	}
	unread := map[string]rest{} // by shared inbox: what any of its runs has not read
	for _, dir := range dirs {
		f := &Facts{dir: dir}
		read, err := f.progress() // before the inbox, as in Each
		if err != nil {
			return err
		}
		if before, known := unread[f.sharedFolder()]; !known || read.Shared.Compare(before.from) < 0 {
			unread[f.sharedFolder()] = rest{f, read.Shared}
		}
		if _, err := inbox.ReadOf(f.ownFolder(), inbox.Position{}, wanted, take); err != nil {
			return err
		}
	}
	for folder, of := range unread {
		if _, err := inbox.ReadOf(folder, of.from, wanted, take); err != nil {
			return of.orGone(err)
		}
	}
	return nil
}
