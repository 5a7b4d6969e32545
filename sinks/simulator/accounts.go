package simulator

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const accountsPath = "/channels/nhsapp/accounts"

// accountsCode is the form of an ODS code that has a report, as NHS Notify's sandbox has it.
var accountsCode = regexp.MustCompile(`^[A-Z]\d{5}$|^[A-Z]\d[A-Z]\d[A-Z]$|^X26$`)

var invalidRequest = refusal{status: 400, code: "CM_INVALID_REQUEST", title: "Invalid Request"}

// accounts is GET /channels/nhsapp/accounts: the app users of an ODS code, as the NHS App's
// own report of patients has them. The case of the code does not matter.
func (s *Server) accounts(x *exchange) reply {
	query := x.r.URL.Query()
	code := strings.ToUpper(query.Get("ods-organisation-code"))
	page, err := pageNumber(query)
	switch {
	case code == "":
		return refuse(x.id, invalidRequest.saying("Missing ODS Code"))
	case !accountsCode.MatchString(code):
		return refuse(x.id, invalidRequest.saying("Invalid ODS Code"))
	case err != nil:
		return refuse(x.id, invalidRequest.saying("page must be a positive non-zero integer"))
	}
	list := s.patientsOf(code)
	from, to, last, ok := s.pageBounds(page, len(list))
	if !ok {
		return refuse(x.id, notFound.saying("Report not found"))
	}
	address := func(page int) string {
		return fmt.Sprintf("%s%s?ods-organisation-code=%s&page=%d", x.root(), accountsPath, code, page)
	}
	links := map[string]string{"self": address(page), "last": address(last)}
	if page < last {
		links["next"] = address(page + 1)
	}
	type attributes struct {
		Accounts []Patient `json:"accounts"`
	}
	type data struct {
		Type       string     `json:"type"`
		ID         string     `json:"id"`
		Attributes attributes `json:"attributes"`
	}
	return reply{status: 200, body: encodeJSON(struct {
		Data  data              `json:"data"`
		Links map[string]string `json:"links"`
	}{data{"NhsAppAccounts", code, attributes{list[from:to]}}, links})}
}

func pageNumber(query url.Values) (int, error) {
	if query.Get("page") == "" {
		return 1, nil
	}
	page, err := strconv.Atoi(query.Get("page"))
	if err == nil && page < 1 {
		err = strconv.ErrRange
	}
	return page, err
}
