package shard

import (
	"context"
	"fmt"
	"slices"

	"cohort/ingest/person"
)

// writeRoutes writes the route of each record, when there are several routes.
func (b *build) writeRoutes(context.Context) (err error) {
	if b.manifest.Routes == 0 {
		return nil
	}
	if b.routes, err = b.create(routesFile, routeSchema); err != nil {
		return err
	}
	for _, s := range b.shards {
		if err := b.routes.writeBytes(routeSchema, s.routes); err != nil {
			return err
		}
		s.routes = nil
	}
	return nil
}

// readRoutes reads what writeRoutes wrote.
func (s *Spool) readRoutes() error {
	if s.Manifest.Routes == 0 {
		return nil
	}
	return s.readBytes(routesFile, "routes", func(sh *shard, routes []uint8) error {
		if i := slices.IndexFunc(routes, func(r uint8) bool { return int(r) >= s.Routes() }); i >= 0 {
			return fmt.Errorf("a record goes by route %d, and there are %d", routes[i], s.Routes())
		}
		sh.routes = routes
		return nil
	})
}

// Routes is the number of routes. Each shard has a lane for each route.
func (s *Spool) Routes() int { return max(1, s.Manifest.Routes) }

// lane is the lane of the record at a position of a shard.
func (s *Spool) lane(shard int, position uint32) person.Lane {
	if routes := s.shards[shard].routes; routes != nil {
		return person.LaneOf(shard, s.Routes(), routes[position])
	}
	return person.Lane(shard)
}

// RouteFates counts the valid records of each route by fate: to send (the empty fate),
// duplicate, and suppressed.
func (s *Spool) RouteFates() []map[person.Fate]int64 {
	fates := make([]map[person.Fate]int64, s.Routes())
	for route := range fates {
		fates[route] = map[person.Fate]int64{}
	}
	for shard, sh := range s.shards {
		for at, verdict := range sh.verdicts {
			fate, _ := verdictWords(verdict, s.Manifest.Reasons)
			fates[int(s.lane(shard, uint32(at)))%len(fates)][fate]++
		}
	}
	return fates
}
