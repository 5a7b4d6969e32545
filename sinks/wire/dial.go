package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// connectTimeout bounds the handshakes with a proxy and with the service.
const connectTimeout = 10 * time.Second

// dial makes a new connection, through the proxy if there is one.
func (t *Transport) dial(ctx context.Context) (*conn, error) {
	socket, err := t.dialSocket(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{transport: t, socket: &counter{Conn: socket}, unwatch: func() bool { return true }}
	c.stream = c.socket
	if c.raw, err = socket.(syscall.Conn).SyscallConn(); err != nil {
		_ = socket.Close()
		return nil, err
	}
	if t.tls != nil {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		secured := tls.Client(c.socket, t.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = socket.Close()
			return nil, err
		}
		c.stream = secured
	}
	c.peek = func(fd uintptr) {
		_, _, c.peeked = syscall.Recvfrom(int(fd), c.one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}
	c.head.R = c.stream
	c.in = bufio.NewReaderSize(&c.head, bufferSize)
	return c, nil
}

func (t *Transport) dialSocket(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: 30 * time.Second}
	if t.proxy == nil {
		return dialer.DialContext(ctx, "tcp", t.service)
	}
	socket, err := t.dialProxy(ctx, dialer)
	if err != nil {
		return nil, &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err}
	}
	return socket, nil
}

// dialProxy asks the proxy for a tunnel to the service (RFC 9110, section 9.3.6).
func (t *Transport) dialProxy(ctx context.Context, dialer net.Dialer) (net.Conn, error) {
	if t.proxy.Scheme != "http" {
		return nil, fmt.Errorf("the proxy's address begins with %s://; only http:// is possible", t.proxy.Scheme)
	}
	port := t.proxy.Port()
	if port == "" {
		port = "80"
	}
	socket, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(t.proxy.Hostname(), port))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(past) })
	err = connect(socket, t.service, t.proxy.User)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return socket, nil
}

// connect sends a CONNECT request and reads its answer. The service speaks only after this
// side does, so nothing but the answer can have come.
func connect(proxy net.Conn, service string, user *url.Userinfo) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: service}, Host: service, Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
		req.Header = http.Header{"Proxy-Authorization": req.Header["Authorization"]}
	}
	if err := req.Write(proxy); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(proxy, maxHead)), req)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New("the proxy answered " + resp.Status)
	}
	return err
}
