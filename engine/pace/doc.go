// Package pace decides when a request may start. It is the only rate limiter between the
// queue and the service: the window, the rate, the quiet that the service asks for, and
// what a person orders are all kept by one Gate. Forecast derives the expected times from them.
package pace
