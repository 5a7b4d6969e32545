// Package reach tells which patients of a GP practice have the NHS App. The service reports this once a day. The
// package fetches the reports, keeps those of a day, and fixes them for one reading of a cohort.
//
//	users.go  people, and the report of a practice
//	file.go   the bytes of reports on disk
//	day.go    the reports of a day, one file a practice
//	fetch.go  requests to the service, page by page, at a limited rate
//	fixed.go  the reports for one reading of a cohort
//
// A file of reports has
//
//	a line of JSON: version, day, service, and the code, state and users of each practice
//	8 bytes for each user, little endian, in the order of the practices and ascending within
//	  each: the NHS number times two, plus one if notifications are on
//	32 bytes: the SHA-256 of the rest
//
// All but the line is personal data. Users are looked up by bisection in a mapped file, so
// memory grows with the number of practices and not of people.
package reach
