package simulator

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
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
	insecure bool   // the communication id's system begins with http:, as in one of the published examples
	at       time.Time
	of       *record
}

// tasksOf are the receipts that a communication has in the end, in no order. They are a
// function of the seed and the communication's id.
func (s *Server) tasksOf(r *record) []task {
	o := s.o.NHSApp.Receipts
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.id))
	source := rand.NewPCG(s.o.Seed, h.Sum64())
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
		add("Rejected", after(r.at, 10*time.Second))
	} else {
		arrived := r.at
		if r.channel == inApp {
			arrived = add("Delivered", after(r.at, time.Minute))
		}
		tried := after(arrived, time.Minute)
		if o.Hasten <= 1 {
			tried = byDay(tried)
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
		add("Archived", after(r.at, 24*time.Hour))
	}
	return list
}

var london = sync.OnceValues(func() (*time.Location, error) { return time.LoadLocation("Europe/London") })

// byDay puts off to six in the morning what falls between 22:00 and 06:00 there.
func byDay(t time.Time) time.Time {
	where, err := london()
	if err != nil {
		return t
	}
	there := t.In(where)
	switch hour := there.Hour(); {
	case hour >= 22:
		return time.Date(there.Year(), there.Month(), there.Day()+1, 6, 0, 0, 0, where)
	case hour < 6:
		return time.Date(there.Year(), there.Month(), there.Day(), 6, 0, 0, 0, where)
	}
	return t
}

// days keeps the report that is being paged through, so that its pages fit together.
type days struct {
	mu   sync.Mutex
	day  string
	list []task
}

// receipts is the report of a day: the events of that day in UTC, as far as they have
// happened, in an order that means nothing. Its first page takes the report anew.
func (s *Server) receipts(x *exchange) reply {
	query := x.r.URL.Query()
	page, wrong := pageOf(query)
	day, ok := oneValue(query, "day", &wrong)
	if _, err := time.Parse(dayForm, day); ok && err != nil {
		wrong = append(wrong, wrongFormat.at("day"))
	}
	if len(wrong) > 0 {
		return x.refuse(wrong...)
	}
	s.days.mu.Lock()
	defer s.days.mu.Unlock()
	if page == 1 || s.days.day != day {
		s.days.day, s.days.list = day, s.dayOf(day, x.now)
	}
	total := len(s.days.list)
	from, to, last, ok := s.pageBounds(page, total)
	if !ok {
		return x.refuse(noReport)
	}
	type link struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	}
	type entry struct {
		FullURL  string          `json:"fullUrl"`
		Resource json.RawMessage `json:"resource"`
	}
	address := func(page int) string {
		return x.base() + receiptsPath + "?day=" + day + "&page=" + strconv.Itoa(page)
	}
	links := []link{{"self", address(page)}}
	if page < last {
		links = append(links, link{"next", address(page + 1)})
	}
	links = append(links, link{"last", address(last)})
	entries := make([]entry, 0, to-from)
	for _, t := range s.days.list[from:to] {
		entries = append(entries, entry{x.base() + receiptsPath + "/" + t.id, t.resource()})
	}
	return reply{status: 200, body: encodeJSON(struct {
		ResourceType string  `json:"resourceType"`
		Type         string  `json:"type"`
		Total        int     `json:"total"`
		Link         []link  `json:"link"`
		Entry        []entry `json:"entry"`
	}{"Bundle", "searchset", total, links, entries})}
}

func (s *Server) dayOf(day string, now time.Time) []task {
	s.ledger.mu.Lock()
	records := s.ledger.communications
	s.ledger.mu.Unlock()
	var list []task
	for _, r := range records {
		for _, t := range s.tasksOf(r) {
			if !t.at.After(now) && t.at.UTC().Format(dayForm) == day {
				list = append(list, t)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b task) int { return cmp.Compare(a.id, b.id) })
	return list
}

// resource is the receipt in FHIR.
func (t task) resource() []byte {
	system, status := communicationSystem, "completed"
	if t.insecure {
		system = "http" + communicationSystem[len("https"):]
	}
	identifiers := identifiersOf(t.of.id, t.of.campaign, t.of.reference)
	identifiers[0].System = system
	identifiers = append(identifiers[1:], identifiers[0])
	var reason any
	if t.rejected {
		status, reason = "rejected", map[string]string{"text": t.reason}
		if t.plain {
			reason = t.reason
		}
	}
	type coding struct {
		System string `json:"system"`
		Code   string `json:"code"`
	}
	return encodeJSON(struct {
		ID           string              `json:"id"`
		ResourceType string              `json:"resourceType"`
		Intent       string              `json:"intent"`
		Identifier   []fhirIdentifier    `json:"identifier"`
		Status       string              `json:"status"`
		StatusReason any                 `json:"statusReason,omitempty"`
		Code         map[string][]coding `json:"code"`
		AuthoredOn   string              `json:"authoredOn"`
		LastModified string              `json:"lastModified"`
	}{t.id, "Task", "order", identifiers, status, reason, map[string][]coding{"coding": {{communicationStatus, t.code}}}, fhirTime(t.of.at), fhirTime(t.at)})
}

// oneValue is a query's value that must be there once.
func oneValue(query url.Values, name string, wrong *[]refusal) (string, bool) {
	switch values := query[name]; {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		*wrong = append(*wrong, notSpecified.at(name))
	case len(values) > 1:
		*wrong = append(*wrong, severalValues.at(name))
	default:
		return values[0], true
	}
	return "", false
}

// pageOf is the page that is asked for; the first when none is.
func pageOf(query url.Values) (page int, wrong []refusal) {
	switch values := query["page"]; {
	case len(values) == 0:
		return 1, nil
	case len(values) > 1:
		return 0, []refusal{severalValues.at("page")}
	default:
		page, err := strconv.Atoi(values[0])
		if err != nil || page < 1 {
			return 0, []refusal{wrongFormat.at("page")}
		}
		return page, nil
	}
}

// pageBounds are the entries of a page; false when there is no such page.
func (s *Server) pageBounds(page, total int) (from, to, last int, ok bool) {
	size := s.o.NHSApp.PageSize
	last = (total + size - 1) / size
	if page > last {
		return 0, 0, last, false
	}
	return (page - 1) * size, min(page*size, total), last, true
}
