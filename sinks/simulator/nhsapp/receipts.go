package nhsapp

import (
	"cmp"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cohort/sinks/simulator/callbacks"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

const (
	communicationStatus = "https://fhir.nhs.uk/CodeSystem/NHSApp-Communication-Status"
	dayForm             = "2006-01-02"
)

// task is one receipt: one event in the life of a communication.
type task struct {
	id, code string
	rejected bool
	reason   string // of a rejection
	plain    bool   // the reason is a string and not an object
	insecure bool   // the system of the id begins with http:, as in a published example
	at       time.Time
	of       *ledger.Request
}

// tasksOf returns all receipts of a communication, in no order. They are a function of the
// seed and the communication's id.
func (s *Service) tasksOf(r *ledger.Request) []task {
	o := s.o.Receipts
	source := faults.Stream(s.gateway.Options.Seed, r.ID)
	dice := rand.New(source)
	after := func(from time.Time, most time.Duration) time.Time {
		return from.Add(time.Second + time.Duration(dice.Float64()*float64(most)/o.Hasten))
	}
	var list []task
	add := func(code string, at time.Time) time.Time {
		t := task{id: uuidOf(source), code: code, at: at, of: r, insecure: dice.IntN(2) == 0}
		if code == "Rejected" {
			t.rejected, t.reason, t.plain = true, "NHS number not found", dice.IntN(2) == 0
		}
		list = append(list, t)
		if dice.Float64() < o.Repeated {
			list = append(list, t)
		}
		return at
	}
	if dice.Float64() < o.Rejected {
		add("Rejected", after(r.AcceptedAt, 10*time.Second))
	} else {
		arrived := r.AcceptedAt
		if r.Channel == inApp {
			arrived = add("Delivered", after(r.AcceptedAt, time.Minute))
		}
		tried := after(arrived, time.Minute)
		if o.Hasten <= 1 {
			tried = ByDay(tried)
		}
		add("NotificationAttempted", tried)
		if dice.Float64() < o.Unnotified {
			add("Unnotified", after(tried, time.Hour))
		} else {
			add("Notified", after(tried, time.Minute))
		}
		if dice.Float64() < o.Read {
			add("Read", after(tried, 72*time.Hour))
		}
	}
	if dice.Float64() < o.Unknown {
		add("Archived", after(r.AcceptedAt, 24*time.Hour))
	}
	return list
}

// London is the time zone of the services; UTC on a machine without time zones.
var London = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		return time.UTC
	}
	return zone
})

// ByDay moves a time between 22:00 and 06:00 in London to six in the morning.
func ByDay(t time.Time) time.Time {
	there := t.In(London())
	switch hour := there.Hour(); {
	case hour >= 22:
		return time.Date(there.Year(), there.Month(), there.Day()+1, 6, 0, 0, 0, London())
	case hour < 6:
		return time.Date(there.Year(), there.Month(), there.Day(), 6, 0, 0, 0, London())
	}
	return t
}

// receipts is the report of a day: the events of that day in UTC so far, in an order without
// meaning. A request for the first page makes the report anew.
func (s *Service) receipts(x *gateway.Exchange) gateway.Reply {
	query := x.R.URL.Query()
	page, wrong := pageOf(query)
	day, ok := oneValue(query, "day", &wrong)
	if _, err := time.Parse(dayForm, day); ok && err != nil {
		wrong = append(wrong, wrongFormat.At("day"))
	}
	if len(wrong) > 0 {
		return x.Refuse(wrong...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if page == 1 || s.day != day {
		s.day, s.report = day, s.receiptsOf(day, x.Now)
	}
	total := len(s.report)
	from, to, last, ok := s.Page(page, total)
	if !ok {
		return x.Refuse(noReport)
	}
	address := func(relation string, page int) object {
		return object{"relation": relation, "url": x.Root() + receiptsPath + "?day=" + day + "&page=" + strconv.Itoa(page)}
	}
	links := []object{address("self", page)}
	if page < last {
		links = append(links, address("next", page+1))
	}
	links = append(links, address("last", last))
	entries := []object{}
	for _, t := range s.report[from:to] {
		entries = append(entries, object{"fullUrl": x.Root() + receiptsPath + "/" + t.id, "resource": t.resource()})
	}
	return gateway.Reply{Status: 200, Body: gateway.EncodeJSON(object{
		"resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries,
	})}
}

func (s *Service) receiptsOf(day string, now time.Time) []task {
	var list []task
	for _, r := range s.ledger.Communications() {
		for _, t := range s.tasksOf(r) {
			if !t.at.After(now) && t.at.UTC().Format(dayForm) == day {
				list = append(list, t)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b task) int { return cmp.Compare(a.id, b.id) })
	return list
}

func (t task) resource() object {
	identifiers := identifiersOf(t.of.ID, t.of.CampaignID, t.of.Reference)
	if t.insecure {
		identifiers[0].System = "http" + communicationSystem[len("https"):]
	}
	r := object{
		"id": t.id, "resourceType": "Task", "intent": "order", "identifier": append(identifiers[1:], identifiers[0]), "status": "completed",
		"code":       object{"coding": []object{{"system": communicationStatus, "code": t.code}}},
		"authoredOn": fhirTime(t.of.AcceptedAt), "lastModified": fhirTime(t.at),
	}
	if t.rejected {
		r["status"], r["statusReason"] = "rejected", object{"text": t.reason}
		if t.plain {
			r["statusReason"] = t.reason
		}
	}
	return r
}

// oneValue is a mandatory value of a query.
func oneValue(query url.Values, name string, wrong *[]gateway.Refusal) (string, bool) {
	switch values := query[name]; {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		*wrong = append(*wrong, notSpecified.At(name))
	case len(values) > 1:
		*wrong = append(*wrong, severalValues.At(name))
	default:
		return values[0], true
	}
	return "", false
}

// pageOf is the page of a query; the first by default.
func pageOf(query url.Values) (page int, wrong []gateway.Refusal) {
	switch values := query["page"]; {
	case len(values) == 0:
		return 1, nil
	case len(values) > 1:
		return 0, []gateway.Refusal{severalValues.At("page")}
	default:
		page, err := strconv.Atoi(values[0])
		if err != nil || page < 1 {
			return 0, []gateway.Refusal{wrongFormat.At("page")}
		}
		return page, nil
	}
}

// Page returns the bounds of a page of a report, and the last page. ok is false when there is
// no such page.
func (s *Service) Page(page, total int) (from, to, last int, ok bool) {
	size := s.o.PageSize
	last = (total + size - 1) / size
	if page > last {
		return 0, 0, last, false
	}
	return (page - 1) * size, min(page*size, total), last, true
}

// Conclude fills in what has become of an accepted communication at a moment. Its status is the
// codes of the receipts, with commas between. Times are whole seconds, as in a receipt.
func (s *Service) Conclude(a *ledger.Accepted, now time.Time) {
	var codes []string
	for _, t := range s.tasksOf(requestOf(a)) {
		if t.at.After(now) {
			continue
		}
		codes = append(codes, t.code)
		at := t.at.Truncate(time.Second)
		switch t.code {
		case "Delivered":
			a.DeliveredChannel, a.DeliveredAt = "nhsapp", &at
		case "Read":
			a.ReadAt = &at
		}
	}
	a.Status = strings.Join(codes, ",")
}

// Events lists the receipts of a communication, in the order of time.
func (s *Service) Events(a *ledger.Accepted) []callbacks.Event {
	var list []callbacks.Event
	for _, t := range s.tasksOf(requestOf(a)) {
		list = append(list, callbacks.Event{At: t.at, Kind: callbacks.Task, Status: t.code, Content: t.resource})
	}
	slices.SortStableFunc(list, func(a, b callbacks.Event) int { return a.At.Compare(b.At) })
	return list
}

func requestOf(a *ledger.Accepted) *ledger.Request {
	return &ledger.Request{
		ID: a.MessageID, AcceptedAt: a.AcceptedAt, Channel: a.Channel, CampaignID: a.CampaignID, Reference: a.MessageReference,
	}
}
