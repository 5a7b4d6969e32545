package campaign

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Route is one of several ways for the messages of a campaign. It takes the records that meet all
// its conditions and that no earlier route takes.
type Route struct {
	Name string
	When []Condition // sorted by column; none: every record

	// These replace the keys of the sink's section, unless they are empty.
	RoutingPlan        string // the name of a free-text plan
	RoutingPlanID      string
	Personalisation    []Personalisation
	OwnPersonalisation bool // Personalisation replaces the campaign's, even if it is empty
	ContentFile        string
	Content            string
	Push               *Push
}

// mostRoutes limits the routes, as package ingest does.
const mostRoutes = 100

var routeForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// ByRoute returns a campaign for each route, in order: with the routing plan, the personalisation and the texts of that
// route. Without routes it returns the campaign alone. The result is read-only.
func (c *Campaign) ByRoute() []*Campaign {
	if len(c.Routes) == 0 {
		return []*Campaign{c}
	}
	all := make([]*Campaign, len(c.Routes))
	for i, r := range c.Routes {
		way, at := *c, fmt.Sprintf("route[%d].", i)
		way.renamed = map[string]string{}
		if r.RoutingPlanID != "" {
			way.Notify.RoutingPlan, way.Notify.RoutingPlanID = r.RoutingPlan, r.RoutingPlanID
			way.renamed["sink.notify.routing_plan"] = at + "routing_plan"
		}
		if r.OwnPersonalisation {
			way.Personalisation = r.Personalisation
			way.renamed["personalisation"] = at + "personalisation"
		}
		if r.Content != "" || r.Push != nil {
			app := *c.NHSApp
			app.ContentFile, app.Content, app.Push = r.ContentFile, r.Content, r.Push
			way.NHSApp = &app
			way.renamed["sink.nhsapp.in_app"], way.renamed["sink.nhsapp.push"] = strings.TrimSuffix(at, "."), strings.TrimSuffix(at, ".")
		}
		all[i] = &way
	}
	return all
}

// Key returns the key of the file for a key of the campaign. In a campaign of ByRoute the route may replace it.
func (c *Campaign) Key(key string) string {
	for plain, own := range c.renamed {
		if key == plain || strings.HasPrefix(key, plain+".") {
			return own + key[len(plain):]
		}
	}
	return key
}

// routed reports whether every route names its own messages. Then the sink's section need not.
func (d *document) routed() bool {
	return len(d.Route) > 0 && !slices.ContainsFunc(d.Route, func(s routeSection) bool {
		return s.RoutingPlan == nil && s.RoutingPlanID == nil && s.ContentFile == nil && s.Display == nil && s.Reference == nil
	})
}

// routes reads the routes. It runs after the sink is read.
func (l *loader) routes(c *Campaign, sections []routeSection) {
	switch {
	case !l.has("route"):
		return
	case len(sections) == 0:
		l.wrong("route", "must list the routes, such as - {name: welsh, when: {language: [cy]}, routing_plan_id: …}")
	case len(sections) > mostRoutes:
		l.wrong("route", "lists %d routes; at most %d are allowed", len(sections), mostRoutes)
	case c.File != nil:
		l.wrong("route", "is for NHS Notify and the NHS App; make a campaign for each file")
	}
	if l.err != nil {
		return
	}
	kinds := map[string]string{}
	for i, s := range sections {
		at := fmt.Sprintf("route[%d]", i)
		for _, key := range []string{at, at + ".name", at + ".when"} {
			l.lines[key] = cmp.Or(l.lines[key], l.lines[at+".name"], l.lines[at+".when"], l.lines["route"]) // a missing key has the line of a neighbour
		}
		r := Route{Name: s.Name}
		switch {
		case !routeForm.MatchString(s.Name):
			l.wrong(at+".name", "must be small letters, digits and hyphens, such as welsh; it is %.50q", s.Name)
		case slices.ContainsFunc(c.Routes, func(other Route) bool { return other.Name == s.Name }):
			l.wrong(at+".name", "%s is the name of an earlier route", s.Name)
		case i > 0 && len(c.Routes[i-1].When) == 0:
			l.wrong(at+".name", "%s would take no record, because the route before it takes every record; put %[1]s first", s.Name)
		case s.When != nil && len(*s.When) == 0, s.When == nil && l.has(at+".when"):
			l.wrong(at+".when", "must name a column; leave it out for a route that takes every record")
		}
		if s.When != nil {
			for _, column := range slices.Sorted(maps.Keys(*s.When)) {
				r.When = append(r.When, l.condition(at+".when."+column, column, (*s.When)[column], kinds))
			}
		}
		l.routeTexts(c, &r, at, s)
		c.Routes = append(c.Routes, r)
	}
}

func (l *loader) routeTexts(c *Campaign, r *Route, at string, s routeSection) {
	for _, key := range []string{"routing_plan", "routing_plan_id", "personalisation"} {
		if c.NHSApp != nil && l.has(at+"."+key) {
			l.wrong(at+"."+key,
				"is for NHS Notify; a route of the NHS App has a content_file, or the display and reference of a notification")
		}
	}
	for _, key := range []string{"content_file", "display", "reference"} {
		if c.NHSApp == nil && l.has(at+"."+key) {
			l.wrong(at+"."+key,
				"is for the NHS App; a route of NHS Notify has a routing_plan_id or a routing_plan, and may have a personalisation")
		}
	}
	if c.NHSApp != nil {
		l.routeContent(c.NHSApp, r, at, s)
		return
	}
	switch byName, byID := l.has(at+".routing_plan"), l.has(at+".routing_plan_id"); {
	case byName && byID:
		l.wrong(at+".routing_plan", "and routing_plan_id both name a routing plan; keep one of the two")
	case byName:
		r.RoutingPlan, r.RoutingPlanID = l.planNamed(at+".routing_plan", c.Notify.BaseURL, s.RoutingPlan)
	case byID:
		r.RoutingPlanID = l.planID(at+".routing_plan_id", s.RoutingPlanID)
	}
	if l.has(at + ".personalisation") {
		r.OwnPersonalisation, r.Personalisation = true, l.fields(at+".personalisation", s.Personalisation)
	}
}

// routeContent reads the message of a route to the NHS App. All routes use one channel.
func (l *loader) routeContent(n *NHSApp, r *Route, at string, s routeSection) {
	push := s.Display != nil || s.Reference != nil
	switch {
	case push && (s.ContentFile != nil || n.Content != "" || l.ownInApp):
		l.wrong(at+".display", "is for a notification, and the campaign has in-app messages; make a campaign for each")
	case s.ContentFile != nil && (n.Push != nil || l.ownPush):
		l.wrong(at+".content_file", "is for an in-app message, and the campaign has notifications; make a campaign for each")
	case push && (s.Display == nil || s.Reference == nil):
		l.wrong(at, "needs both a display and a reference")
	case push:
		l.ownPush, r.Push = true, &Push{*s.Display, *s.Reference}
	case l.has(at + ".content_file"):
		l.ownInApp = true
		if s.ContentFile == nil || *s.ContentFile == "" {
			l.wrong(at+".content_file", "must name the file with the message")
			return
		}
		r.ContentFile = l.absolute(*s.ContentFile)
		r.Content = l.content(at+".content_file", "route."+r.Name+".content", r.ContentFile)
	}
}
