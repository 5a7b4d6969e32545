// Package apim signs in to services behind the NHS API platform: a signed JWT is
// exchanged for a bearer token (OAuth 2.0 client credentials), the token is shared by
// every request, and it is renewed early and once.
//
// Tokens is the state, Transport the http.RoundTripper that uses it, and Client the
// kind of HTTP client that the platform's services are spoken to with. It is the only
// package that makes JWTs.
package apim
