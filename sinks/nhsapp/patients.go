package nhsapp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cohort/engine/reach"
	"cohort/sinks/exchange"
)

var _ reach.Asker = (*Sink)(nil)

// AppUsers implements reach.Asker with the service's daily report of a practice's patients with the
// app. The Link header tells whether another page follows.
func (s *Sink) AppUsers(ctx context.Context, practice string, page int) (users []reach.User, more bool, err error) {
	r := s.report("app users")
	header, body, err := r.Page(ctx, s.o.BaseURL+"/communication/report/patients?ods-organisation-code="+url.QueryEscape(practice)+"&page="+strconv.Itoa(page))
	if err != nil {
		return nil, false, err
	}
	var list []exchange.AppUser
	if json.Unmarshal(body, &list) != nil || list == nil {
		return nil, false, r.NoPage()
	}
	return exchange.Users(list), hasNext(header), nil
}

// hasNext reports whether a Link header (RFC 8288) has the relation next.
func hasNext(h http.Header) bool {
	for _, links := range h["Link"] {
		for link := range strings.SplitSeq(links, ",") {
			_, parameters, _ := strings.Cut(link, ">")
			for p := range strings.SplitSeq(parameters, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
				if strings.EqualFold(name, "rel") && strings.EqualFold(strings.Trim(value, `"`), "next") {
					return true
				}
			}
		}
	}
	return false
}
