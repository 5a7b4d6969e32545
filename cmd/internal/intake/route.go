package intake

import (
	"fmt"
	"io"
	"strings"

	"cohort/cmd/internal/earlier"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
	"cohort/shard"
)

// plannedRoutes describes a campaign's routes for the plan.
func plannedRoutes(c *campaign.Campaign, spool *shard.Spool) (routes []plan.Route) {
	if len(c.Routes) == 0 {
		return nil
	}
	fates := spool.RouteFates()
	for i, way := range c.ByRoute() {
		routes = append(routes, plan.Route{
			Name: c.Routes[i].Name, Template: earlier.WayVersion(way),
			Static: map[string]int64{string(person.Duplicate): fates[i][person.Duplicate], string(person.Suppressed): fates[i][person.Suppressed]},
		})
	}
	return routes
}

// foundRoute counts the records of a route.
type foundRoute struct {
	Name       string `json:"name"`
	Sendable   int64  `json:"sendable"`
	Duplicate  int64  `json:"duplicate"`
	Suppressed int64  `json:"suppressed"`
}

func foundRoutes(c *campaign.Campaign, spool *shard.Spool) (routes []foundRoute) {
	if len(c.Routes) == 0 {
		return nil
	}
	for i, fates := range spool.RouteFates() {
		routes = append(routes, foundRoute{c.Routes[i].Name, fates[""], fates[person.Duplicate], fates[person.Suppressed]})
	}
	return routes
}

// RouteStatus counts the records of a route by fate. Invalid records have no route.
type RouteStatus struct {
	Name    string                `json:"name"`
	Records int64                 `json:"records"`
	Fates   map[person.Fate]int64 `json:"fates"`
}

// RoutesStatus lists the routes with their counts.
func RoutesStatus(routes []ledger.RouteAccount) (all []RouteStatus) {
	for _, r := range routes {
		s := RouteStatus{r.Name, r.Account.Records, map[person.Fate]int64{}}
		for _, fate := range person.Fates {
			if fate != person.Invalid {
				s.Fates[fate] = r.Account.Fates[fate]
			}
		}
		all = append(all, s)
	}
	return all
}

// PrintRoutes prints a line for each route, and one for the records without a route.
func PrintRoutes(w io.Writer, indent string, routes []ledger.RouteAccount, all ledger.Account) {
	if len(routes) == 0 {
		return
	}
	line := func(name string, records int64, fates map[person.Fate]int64) {
		var parts []string
		for _, fate := range person.Fates {
			if n := fates[fate]; n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", fate, n))
			}
		}
		text := fmt.Sprintf("%s%-20s %8d", indent, name, records)
		if len(parts) > 0 {
			text += ": " + strings.Join(parts, ", ")
		}
		fmt.Fprintln(w, text)
	}
	for _, r := range routes {
		line("route "+r.Name, r.Account.Records, r.Account.Fates)
	}
	if invalid := all.Fates[person.Invalid]; invalid > 0 {
		line("no route", invalid, map[person.Fate]int64{person.Invalid: invalid})
	}
	if err := ledger.CheckRoutes(routes, all); err != nil {
		fmt.Fprintln(w, indent+strings.ToUpper(err.Error()))
	}
}
