// Package reach knows who of a GP practice's patients has the NHS App, as the service
// reports it once a day: it fetches the reports, keeps those of a day, and fixes what they
// say for one reading of a cohort.
//
//	users.go  what is said of a person, and the report of a practice
//	file.go   the bytes of reports on disk
//	day.go    the reports of a day, one file a practice
//	fetch.go  asking the service, page by page, at a polite rate
//	fixed.go  the reports that a cohort is read with
//
// A file of reports, of one practice or of many, is
//
//	a line of JSON: version, day, service, and of each practice its code and what it has
//	8 bytes for each user, little endian, practice after practice in the line's order and
//	  ascending in each: the NHS number times two, plus one when notifications are on
//	32 bytes: the SHA-256 of all that
//
// All of it is personal data but the line. A practice's users are looked up by bisection
// in a mapped file, so that memory grows with the number of practices and not of people.
package reach
