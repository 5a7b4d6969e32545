package page

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"cohort/cmd/internal/status"
	"cohort/engine/refusal"
)

// Serve shows the run in a folder, or all runs under one, at an address until ctx is done. It prints where.
func Serve(ctx context.Context, address string, lister *status.Lister, one, withLevers bool, out io.Writer) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return refusal.New("page_cannot_listen", "address", address, "cause", err)
	}
	site, at := newSite(lister.List, one), listener.Addr().(*net.TCPAddr)
	if at.IP.IsLoopback() {
		site.hosts = hostsOf(at)
	}
	url := "http://" + at.String() + "/"
	if withLevers {
		if !at.IP.IsLoopback() {
			_ = listener.Close()
			return refusal.New("levers_not_on_loopback", "address", address)
		}
		site.addLevers()
		url += "?token=" + site.levers.token
	}
	fmt.Fprintf(out, "%s\n", url)
	if !at.IP.IsLoopback() {
		fmt.Fprintf(out, "everybody who reaches %s can look: the page shows folders, counts and user names of operators, "+
			"and nobody in a cohort\n", at)
	}
	return site.serve(ctx, listener)
}

func (s *Site) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() {
		<-ctx.Done()
		_ = server.Close() // nothing is under way that must end well
	}()
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

// hostsOf lists the names of a loopback address. Others may lead to it too, and then a foreign page is behind it.
func hostsOf(at *net.TCPAddr) []string {
	return []string{at.String(), fmt.Sprintf("localhost:%d", at.Port)}
}
