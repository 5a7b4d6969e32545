package plan

import "cohort/ingest/person"

// Route is a route of a campaign.
type Route struct {
	Name     string           `json:"name"`
	Template string           `json:"template_version"`
	Static   map[string]int64 `json:"fates_before_sending"` // of its records: duplicate, suppressed
}

// RouteOfBatch returns the index of a batch's route.
func (p *Plan) RouteOfBatch(batch uint32) int { return p.RouteOf(p.laneOf(batch)) }

// RouteOf returns the index of a lane's route; 0 without routes.
func (p *Plan) RouteOf(lane person.Lane) int { return int(lane) % max(1, len(p.Routes)) }

// TemplateOf returns the fingerprint of the template for a lane.
func (p *Plan) TemplateOf(lane person.Lane) string {
	if len(p.Routes) == 0 {
		return p.Template
	}
	return p.Routes[p.RouteOf(lane)].Template
}
