// Package egress is the way out of the sandbox. There is no network in it but a loopback of the instance's own; behind
// the Unix socket LAMBENT_EGRESS the platform connects to what the manifest allows. Importing this package sends the
// clients of net/http that way, those that use the default transport or a clone of it.
//
// It is a convenience, not a wall: code that goes around it has no network at all.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	headBytesMax = 16 * 1024
	// Longer than the platform waits for the other side.
	connectMax = 20 * time.Second
)

// ErrDenied is what the manifest does not allow: a connection's error wraps it.
var ErrDenied = errors.New("E_NETWORK_DENIED")

var (
	path = os.Getenv("LAMBENT_EGRESS")
	// Something on the machine's own loopback is allowed: then even localhost may be meant to lead out.
	asksForLoopback = os.Getenv("LAMBENT_EGRESS_LOOPBACK") == "1"
	plain           = &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
)

func init() {
	if path == "" {
		return
	}
	if transport, ok := http.DefaultTransport.(*http.Transport); ok {
		transport.DialContext = DialContext
	}
}

// DialContext connects as net.Dialer does, by way of the platform where there is a sandbox.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if path == "" || err != nil || !strings.HasPrefix(network, "tcp") || (isLoopback(host) && !asksForLoopback) {
		return plain.DialContext(ctx, network, address)
	}
	conn, err := dial(ctx, address)
	if errors.Is(err, ErrDenied) && isLoopback(host) {
		// Nothing of the machine's loopback is allowed there: the function's own was meant.
		return plain.DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return conn, nil
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := plain.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(connectMax)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		deadline = earlier
	}
	// A context that ends early is noticed at its deadline, or when the platform answers.
	err = conn.SetDeadline(deadline)
	if err == nil {
		_, err = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\n\r\n", address)
	}
	var head string
	if err == nil {
		head, err = readHead(conn)
	}
	if err == nil && !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		err = refusal(head)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// readHead reads up to the empty line and not a byte more: what follows belongs to the caller.
func readHead(conn net.Conn) (string, error) {
	head := make([]byte, 0, 64)
	one := make([]byte, 1)
	for len(head) < headBytesMax {
		if _, err := conn.Read(one); err != nil {
			return "", err
		}
		head = append(head, one[0])
		if strings.HasSuffix(string(head[max(0, len(head)-4):]), "\r\n\r\n") {
			break
		}
	}
	return string(head), nil
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func refusal(head string) error {
	reason := "the way out of the sandbox is closed"
	for _, line := range strings.Split(head, "\r\n") {
		if name := "x-lambent-egress: "; len(line) > len(name) && strings.EqualFold(line[:len(name)], name) {
			reason = line[len(name):]
		}
	}
	switch {
	case strings.HasPrefix(head, "HTTP/1.1 403"):
		return fmt.Errorf("%w: %s", ErrDenied, reason)
	case reason == "ECONNREFUSED":
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case reason == "EHOSTUNREACH":
		return os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	}
	return errors.New(reason)
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
