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

// AppUsers implements reach.Asker: GET /channels/nhsapp/accounts, the NHS App's daily report
// of a practice's patients who have the app, as NHS Notify passes it on. The code of a 404
// is the same for a report and for an address; that no practice at all has a report is for
// the caller to notice.
func (s *Sink) AppUsers(ctx context.Context, practice string, page int) (users []reach.User, more bool, err error) {
	r := exchange.Report{Carrier: s.signed, Timeout: s.o.Timeout, Key: "sink.notify.base_url", Team: "NHS Notify onboarding", NoReport: `"CM_NOT_FOUND"`, Hopeless: s.o.Tokens.Hopeless}
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
