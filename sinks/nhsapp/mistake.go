package nhsapp

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

var odsForm = regexp.MustCompile(`^[0-9A-Z]+$`)

// Mistake finds an option that the service would refuse in every message. It returns the key in the
// campaign file's section, and the problem as words that follow the key. Both are empty when there
// is none.
func (o Options) Mistake() (key, problem string) {
	switch {
	case !odsForm.MatchString(o.ODSCode):
		return "requester_ods_code", "must be the ODS code of the sending organisation, in capitals and digits, such as X26"
	case o.Push == nil:
		if problem := o.Reply.mistake(); problem != "" {
			return "in_app.reply.options", problem
		}
	case strings.TrimSpace(o.Push.Display) == "":
		return "push.display", "is missing; it is the text of the notification"
	case Characters(o.Push.Display) > MostDisplay:
		return "push.display", fmt.Sprintf("has more than %d characters", MostDisplay)
	case strings.Contains(o.Push.Display, "((") || strings.Contains(o.Push.Reference, "(("):
		return "push", "must be the same for everybody, without a ((column)): it is shown on locked phones"
	case HasMarkup(o.Push.Display):
		return "push.display", "has a < and a > after it, which the service takes for HTML"
	case !isAppAddress(o.Push.Reference):
		return "push.reference", "must be the address in the NHS App that the notification opens, such as https://www.nhsapp.service.nhs.uk/patient/messages"
	case Characters(o.Push.Reference) > MostReference:
		return "push.reference", fmt.Sprintf("has more than %d characters", MostReference)
	}
	for _, i := range []struct{ key, value string }{{"campaign_id", o.CampaignID}, {"on_behalf_of", o.OnBehalfOf}} {
		if Characters(i.value) > MostIdentifier || HasMarkup(i.value) {
			return i.key, fmt.Sprintf("must have at most %d characters, and no < with a > after it", MostIdentifier)
		}
	}
	if o.OnBehalfOf != strings.TrimSpace(o.OnBehalfOf) {
		return "on_behalf_of", "has white space around it"
	}
	return "", ""
}

// isAppAddress reports whether a notification may open an address. The service takes only addresses
// of the NHS App. All environments of the app are below nhs.uk.
func isAppAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.User == nil && strings.HasSuffix(u.Hostname(), ".nhs.uk")
}
