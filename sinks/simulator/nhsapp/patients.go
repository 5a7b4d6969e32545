package nhsapp

import (
	"fmt"
	"math/rand/v2"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
)

// testPractice is the ODS code with a report of several pages in the service's tests.
const testPractice = "T00001"

func (s *Service) patients(x *gateway.Exchange) gateway.Reply {
	query := x.R.URL.Query()
	page, wrong := pageOf(query)
	code, _ := oneValue(query, "ods-organisation-code", &wrong)
	if len(wrong) > 0 {
		return x.Refuse(wrong...)
	}
	list := s.Patients(code)
	from, to, last, ok := s.Page(page, len(list))
	if !ok {
		return x.Refuse(noReport)
	}
	rep := gateway.Reply{Status: 200, ContentType: gateway.JSON, Body: gateway.EncodeJSON(list[from:to])}
	address := func(page int, relation string) string {
		return fmt.Sprintf(`<%s%s?ods-organisation-code=%s&page=%d>; rel="%s"`, x.Root(), patientsPath, code, page, relation)
	}
	rep.Link = address(page, "self")
	if page < last {
		rep.Link += ", " + address(page+1, "next")
	}
	rep.Link += ", " + address(last, "last")
	return rep
}

func (s *Service) Patients(code string) []Patient {
	if s.o.Patients != nil {
		return s.o.Patients[code]
	}
	if !odsCode.MatchString(code) {
		return nil
	}
	n := 25
	if code == testPractice {
		n = 250
	}
	dice := rand.New(faults.Stream(s.gateway.Options.Seed, code))
	list := make([]Patient, 0, n)
	for len(list) < n {
		if number := fmt.Sprintf("999%07d", dice.IntN(10_000_000)); gateway.ValidNHSNumber(number) {
			list = append(list, Patient{number, dice.IntN(4) > 0})
		}
	}
	return list
}
