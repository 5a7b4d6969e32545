package register

import (
	"context"
	"net"
	"net/url"
	"time"
)

// SameMachine reports whether two base URLs name the same host. Any port and path of a host may be the same service.
func SameMachine(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	if errX != nil || errY != nil || x.Hostname() == "" || y.Hostname() == "" {
		return false
	}
	if x.Hostname() == y.Hostname() {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	of, _ := net.DefaultResolver.LookupIPAddr(ctx, x.Hostname())
	with, _ := net.DefaultResolver.LookupIPAddr(ctx, y.Hostname())
	for _, one := range of {
		for _, other := range with {
			if one.IP.Equal(other.IP) || one.IP.IsLoopback() && other.IP.IsLoopback() {
				return true
			}
		}
	}
	return false
}
