// Package dispatch measures how fast, in how much memory and with how many syncs a
// prepared cohort is sent: by the product, by what other people would use, and by
// programs that post ready-made bodies and so are the floor.
//
//	the parent                              processes of their own, on loopback
//	makes a cohort, its spool, its plans    ┌ a service, new for each cell (service.go)
//	rounds of all cells               ──▶   └ a sender: the engine, a floor, a peer
//	asks the service what it has had  ◀──   messages sent, seconds, CPU, peak memory, syncs
//	holds one against the other, medians, ratios, table, picture
//
// The service does as little as a service can: it looks for the messages' references in a
// body and answers 201 with an id for each, in another order than the request's. It does
// not parse the JSON, since a service that does takes no more than a quarter of a million
// messages a second, and would be what is measured. One row is against the strict
// simulator all the same.
//
// A sender that says it has sent something else than the service has counted ends
// everything: there are no figures then.
package dispatch
