package plan

import (
	"sort"
)

// PlannedRoute is a route of a campaign.
type Route struct {
	Name     string           `json:"name"`
	Template string           `json:"template_version"`
	Static   map[string]int64 `json:"fates_before_sending"` // of its records: duplicate, suppressed
}

// routeOfBatch is the index of a batch's route. Of shards without batches the last is found
// that begins where it does, which is the one that has it.
func (p *Plan) RouteOfBatch(batch uint32) int {
	behind := sort.SearchInts(p.ShardStarts, int(batch)+1)
	return p.RouteOf(behind - 1)
}

// RouteOf is the index of the route by which a shard's recipients go; 0 where there is one.
func (p *Plan) RouteOf(shard int) int { return shard % max(1, len(p.Routes)) }

// TemplateOf is the fingerprint of what is rendered for the recipients of a shard.
func (p *Plan) TemplateOf(shard int) string {
	if len(p.Routes) == 0 {
		return p.Template
	}
	return p.Routes[p.RouteOf(shard)].Template
}
