package notify

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"cohort/sinks/simulator/gateway"
)

const accountsPath = "/channels/nhsapp/accounts"

// accountsCode is the form of an ODS code that has a report, as in NHS Notify's sandbox.
var accountsCode = regexp.MustCompile(`^[A-Z]\d{5}$|^[A-Z]\d[A-Z]\d[A-Z]$|^X26$`)

var invalidRequest = gateway.Refusal{Status: 400, Code: "CM_INVALID_REQUEST", Title: "Invalid Request"}

// accounts is GET /channels/nhsapp/accounts: the NHS App's report of an ODS code's app users.
// The case of the code does not matter.
func (s *Service) accounts(x *gateway.Exchange) gateway.Reply {
	query := x.R.URL.Query()
	code := strings.ToUpper(query.Get("ods-organisation-code"))
	page, err := strconv.Atoi(cmp.Or(query.Get("page"), "1"))
	switch {
	case code == "":
		return x.Refuse(invalidRequest.Saying("Missing ODS Code"))
	case !accountsCode.MatchString(code):
		return x.Refuse(invalidRequest.Saying("Invalid ODS Code"))
	case err != nil, page < 1:
		return x.Refuse(invalidRequest.Saying("page must be a positive non-zero integer"))
	}
	list := s.app.Patients(code)
	from, to, last, ok := s.app.Page(page, len(list))
	if !ok {
		return x.Refuse(notFound.Saying("Report not found"))
	}
	address := func(page int) string {
		return fmt.Sprintf("%s%s?ods-organisation-code=%s&page=%d", x.Root(), accountsPath, code, page)
	}
	links := object{"self": address(page), "last": address(last)}
	if page < last {
		links["next"] = address(page + 1)
	}
	return gateway.Reply{Status: 200, Body: gateway.EncodeJSON(object{
		"data":  object{"type": "NhsAppAccounts", "id": code, "attributes": object{"accounts": list[from:to]}},
		"links": links,
	})}
}
