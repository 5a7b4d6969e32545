// Package wire carries the requests that hold messages, over HTTP/1.1 (RFC 9112). Its
// Transport promises four things.
//
//   - Each request is sent once or not at all. Nothing here repeats one.
//   - The caller learns whether a byte left this machine. An error of type *NotSentError says
//     that none did. After any other error the request may have arrived.
//   - What arrives before a request begins is never taken for its answer. A connection that
//     holds a late or doubled answer is closed.
//   - After Post has returned, nobody reads the request's body any more.
//
// HTTP/1.1 cannot tell a late answer from the right one once the next request has begun. The
// services repeat the X-Correlation-Id of a request, so package apim compares it in every
// answer. An answer that the caller rejects closes its connection.
//
// # Why not the Transport of net/http
//
// It knows only whether a request had a connection, and not whether a byte left. Against a
// server that answers twice it gave 64 of 64,000 requests the answer to another. It may send
// a request again. Two goroutines hand each request over, which costs most of what a request
// costs at all. Tokens, status polls and receipts go through net/http, since asking twice
// changes nothing.
//
// # What is done once for many requests
//
// The head of a request is made once for a token. An answer of the plain form that nearly all
// have is read in place; Answer.plain says what is plain. It takes nothing that net/http would
// read differently, and a test compares the two. Every other answer is read by net/http, from
// its first byte. A context is watched, and a deadline set, once for many requests of a
// connection. So a deadline may come late, by a second for each minute of the timeout, and never
// early.
//
// # What is counted
//
// A counter between crypto/tls and the socket is enough to know that nothing left, since all
// of a request passes it. The third promise needs more: the counter also follows TLS records.
// TLS may read half of a record together with the answer before it. The socket is silent
// then, and TLS has no byte to give. Only the unfinished record shows that an answer is on
// its way to nobody.
package wire
