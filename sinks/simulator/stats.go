package simulator

// Stats are the counters of a Server since its start.
type Stats struct {
	Requests int            `json:"requests"` // to the API and the token endpoint
	ByStatus map[string]int `json:"byStatus"` // HTTP status, or cut_201, reset, unanswered
	Faults   map[string]int `json:"faults"`   // by name; poisoned_recipients counts rows

	BatchesAccepted  int `json:"batchesAccepted"`
	SinglesAccepted  int `json:"singlesAccepted"`
	Communications   int `json:"communicationsAccepted"` // by the NHS App
	MessagesAccepted int `json:"messagesAccepted"`
	People           int `json:"people"`          // distinct NHS numbers accepted
	PeopleTwice      int `json:"peopleTwice"`     // people accepted more than once
	ReferencesTwice  int `json:"referencesTwice"` // message references accepted more than once

	MostMessagesInOneSecond int `json:"mostMessagesInOneSecond"`
	LargestBody             int `json:"largestBody"`
	MostConcurrent          int `json:"mostConcurrent"`

	Duplicates            int `json:"duplicates"`            // decided 422
	TooEarly              int `json:"tooEarly"`              // decided 425, without the fault plan
	RequestsAfterAnswer   int `json:"requestsAfterAnswer"`   // replays of a reference after its whole 201
	RequestsAfter422      int `json:"requestsAfter422"`      // replays of a reference after its whole 422
	ReplaysWithOtherBody  int `json:"replaysWithOtherBody"`  // replays with other bytes than the first request
	ReplaysBeforeTheirDue int `json:"replaysBeforeTheirDue"` // replays within the Retry-After of a 425
}

// Stats returns the counters as they stand.
func (s *Server) Stats() Stats {
	requests, kept := s.gateway.Counts(), s.ledger.Counts()
	return Stats{
		Requests: requests.Requests, ByStatus: requests.ByStatus, Faults: s.gateway.Dice.Struck(),
		BatchesAccepted: kept.Batches, SinglesAccepted: kept.Singles, Communications: kept.Communications,
		MessagesAccepted: kept.Messages, People: kept.People, PeopleTwice: kept.PeopleTwice, ReferencesTwice: kept.ReferencesTwice,
		MostMessagesInOneSecond: kept.MostInOneSecond, LargestBody: requests.LargestBody, MostConcurrent: requests.MostConcurrent,
		Duplicates: kept.Duplicates, TooEarly: kept.TooEarly, RequestsAfterAnswer: kept.AfterAnswer, RequestsAfter422: kept.AfterDuplicate,
		ReplaysWithOtherBody: kept.OtherBody, ReplaysBeforeTheirDue: kept.BeforeRetryAfter,
	}
}
