// Package sinktest is the suite that every sink of a service passes. The same messages become
// the same bytes. Every answer is classified as the contract says. No request is sent twice, or
// to another address. No answer of a sink tells anything about a person.
package sinktest
