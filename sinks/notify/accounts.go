package notify

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"cohort/engine/reach"
	"cohort/sinks/exchange"
)

var _ reach.Asker = (*Sink)(nil)

// AppUsers implements reach.Asker with GET /channels/nhsapp/accounts: the NHS App's daily report
// of a practice's patients with the app. A 404 has the same code for a missing report and for a
// wrong address. The caller notices when no practice has a report.
func (s *Sink) AppUsers(ctx context.Context, practice string, page int) (users []reach.User, more bool, err error) {
	r := exchange.Report{Carrier: s.signed, Timeout: s.o.Timeout, Key: "sink.notify.base_url", Team: "NHS Notify onboarding", Of: "app users", NoReport: `"CM_NOT_FOUND"`, Hopeless: s.o.Tokens.Hopeless}
	_, body, err := r.Page(ctx, s.o.BaseURL+"/channels/nhsapp/accounts?ods-organisation-code="+url.QueryEscape(practice)+"&page="+strconv.Itoa(page))
	if err != nil {
		return nil, false, err
	}
	var answer struct {
		Data struct {
			Attributes struct {
				Accounts []exchange.AppUser `json:"accounts"`
			} `json:"attributes"`
		} `json:"data"`
		Links struct {
			Next string `json:"next"`
		} `json:"links"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Data.Attributes.Accounts == nil {
		return nil, false, r.NoPage()
	}
	return exchange.Users(answer.Data.Attributes.Accounts), answer.Links.Next != "", nil
}
