package earlier

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"cohort/engine/campaign"
)

// wayVersion is templateVersion of messages that go one way.
func WayVersion(c *campaign.Campaign) string {
	h := sha256.New()
	switch n, f := c.NHSApp, c.File; {
	case f != nil && f.Letters != nil:
		fmt.Fprintf(h, "letters%q%q", f.Letters.Format, f.Letters.Columns)
	case f != nil:
		fmt.Fprintf(h, "mesh%q", f.Mesh.RoutingPlanID)
	case n == nil:
		fmt.Fprintf(h, "%q", c.Notify.RoutingPlanID)
	case n.Push != nil:
		fmt.Fprintf(h, "push%q%q", n.Push.Display, n.Push.Reference)
	default:
		fmt.Fprint(h, "in-app")
		if n.Reply != nil {
			fmt.Fprintf(h, "reply%q", n.Reply.Options)
		}
	}
	for _, t := range c.Wording() {
		fmt.Fprintf(h, "%q%q", t.Name, t.Text)
	}
	read := c.Notify
	read.BillingReference = "" // nobody reads it: with another one it is the same message
	for _, t := range read.Details() {
		fmt.Fprintf(h, "%q%q", t.Key, t.Text)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
