package simulator

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
)

// testPractice is the ODS code whose report has several pages in the service's tests.
const testPractice = "T00001"

// patients is the report of an ODS code's app users.
func (s *Server) patients(x *exchange) reply {
	query := x.r.URL.Query()
	page, wrong := pageOf(query)
	code, _ := oneValue(query, "ods-organisation-code", &wrong)
	if len(wrong) > 0 {
		return x.refuse(wrong...)
	}
	list := s.patientsOf(code)
	from, to, last, ok := s.pageBounds(page, len(list))
	if !ok {
		return x.refuse(noReport)
	}
	rep := reply{status: 200, contentType: plainJSON, body: encodeJSON(list[from:to])}
	address := func(page int, relation string) string {
		return fmt.Sprintf(`<%s%s?ods-organisation-code=%s&page=%s>; rel="%s"`, x.base(), patientsPath, code, strconv.Itoa(page), relation)
	}
	rep.link = address(page, "self")
	if page < last {
		rep.link += ", " + address(page+1, "next")
	}
	rep.link += ", " + address(last, "last")
	return rep
}

func (s *Server) patientsOf(code string) []Patient {
	if s.o.NHSApp.Patients != nil {
		return s.o.NHSApp.Patients[code]
	}
	if !odsCode.MatchString(code) {
		return nil
	}
	n := 25
	if code == testPractice {
		n = 250
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(code))
	dice := rand.New(rand.NewPCG(s.o.Seed, h.Sum64()))
	list := make([]Patient, 0, n)
	for len(list) < n {
		if number := fmt.Sprintf("999%07d", dice.IntN(10_000_000)); validNHSNumber(number) {
			list = append(list, Patient{number, dice.IntN(4) > 0})
		}
	}
	return list
}
