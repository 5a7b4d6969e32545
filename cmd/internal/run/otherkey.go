package run

import (
	"context"
	"net"
	"net/url"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/register"
)

// mayBeSame lists those of the runs that may have gone to this send's service, though its
// address and the API key are others: both are production, or their addresses lead to the same
// machine. Where one profile is test and the other production they are two services.
func (s *Runner) mayBeSame(runs []register.Entry) []register.Entry {
	var same []register.Entry
	for _, e := range runs {
		mine := s.Campaign.Profile
		was := campaign.Profile(e.Profile)
		differ := was != campaign.AnyNumber && mine != campaign.AnyNumber && was != mine
		if was == campaign.Production && mine == campaign.Production || !differ && sameMachine(addressOf(e.Service), addressOf(s.Service)) {
			same = append(same, e)
		}
	}
	return same
}

// sameMachine reports whether two base URLs lead to the same machine, as far as the names of
// their hosts say. Any port and path of it may be the same service.
func sameMachine(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	if errX != nil || errY != nil || x.Hostname() == "" || y.Hostname() == "" {
		return false
	}
	if x.Hostname() == y.Hostname() {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	of, _ := net.DefaultResolver.LookupIPAddr(ctx, x.Hostname())
	with, _ := net.DefaultResolver.LookupIPAddr(ctx, y.Hostname())
	for _, one := range of {
		for _, other := range with {
			if one.IP.Equal(other.IP) || one.IP.IsLoopback() && other.IP.IsLoopback() {
				return true
			}
		}
	}
	return false
}

// sayOtherKeys says which runs of the campaign went to another service with other API keys.
func (s *Runner) sayOtherKeys(runs []register.Entry) {
	for _, e := range runs {
		s.Log.Warn("this campaign was sent to another address with another API key; if both are the same service, its people are sent to twice: then stop this run and go on with that one",
			"was", addressOf(e.Service), "is", addressOf(s.Service), "run", e.Folder, "requests", e.Attempts, "last_at_work", e.At.Format(time.DateOnly))
	}
}
