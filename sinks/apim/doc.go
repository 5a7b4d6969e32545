// Package apim signs in to services behind the NHS API platform. It exchanges a signed JWT
// for a bearer token (OAuth 2.0 client credentials). All requests share the token. One of
// them renews it before it expires.
//
// Tokens holds the token, and Transport adds it to requests. Client makes the HTTP client for
// tokens and other questions; messages go through sinks/wire. No other package makes JWTs.
package apim
