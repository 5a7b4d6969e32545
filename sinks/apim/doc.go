// Package apim signs in to services behind the NHS API platform. It exchanges a signed JWT
// for a bearer token (OAuth 2.0 client credentials). All requests share the token. One of
// them renews it before it expires.
//
// Tokens holds the token, and learns from answers whether it is accepted. Transport adds it to
// questions, which Client's HTTP client asks; messages go through sinks/wire. No other package
// makes JWTs.
package apim
