package run

import (
	"context"
	"errors"
	"iter"
	"os"
	"strings"
	"time"

	"cohort/cmd/internal/earlier"
	"cohort/engine/disk"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// linksOfOthers are those of the runs of other campaigns that a cohort is compared with.
func (s *Runner) linksOfOthers() (iter.Seq2[person.NHSNumber, person.NHSNumber], error) {
	r, err := register.Look(s.Campaign.Registers()...)
	if err != nil {
		return nil, refusal.New("register_unreadable", "cause", err)
	}
	kind, _, _ := strings.Cut(s.Campaign.ServiceID(false), " ")
	return earlier.LinksOf(r.OfOtherCampaigns(s.Campaign.Name, kind, time.Now().AddDate(0, 0, -s.Campaign.OverlapDays))), nil
}

// overlap looks what other campaigns have sent to the people of a cohort, and refuses a send
// that would repeat it.
func (s *Runner) overlap(ctx context.Context, spool *shard.Spool, closed []plan.EarlierRun, sendAgain bool, rest *earlier.Unsent) (err error) {
	dir := s.Folder.File(runfolder.ListsFolder)
	if err := errors.Join(os.RemoveAll(dir), disk.MakeFolder(dir)); err != nil {
		return refusal.New("no_room_to_compare", "cause", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if s.compared, err = earlier.Compare(ctx, s.Campaign, spool, dir, closed, rest); err != nil {
		return err
	}
	if _, begun := s.compared.Register.Run(s.Id.String()); begun {
		s.compared.Begun = s.Folder.Path
	}
	for _, run := range s.compared.Found {
		s.Log.Info(s.compared.Words(run))
	}
	err = s.compared.Refusal()
	switch {
	case err == nil:
	case sendAgain:
		for _, run := range register.Repeated(s.compared.Found, s.compared.Again, s.compared.People) {
			s.Call.Consented, s.consented = append(s.Call.Consented, run.RunID), true
		}
		s.Log.Warn("people get the same words with the same values again, as --send-again says", "people", s.compared.Again)
	case s.rehearses(ctx):
		s.Log.Warn("a real send would be refused: " + err.Error())
	default:
		return err
	}
	return nil
}
