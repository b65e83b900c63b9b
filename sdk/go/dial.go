package lambent

import (
	"context"
	"net"

	"lambent.dev/go/internal/egress"
)

// ErrNetworkDenied is wrapped by the error of a connection that the manifest's `network` does not allow.
var ErrNetworkDenied = egress.ErrDenied

// DialContext connects to another host from inside a sandbox, which has no network of its own, and as net.Dialer
// elsewhere. Clients of net/http use it by themselves; give it to others, such as drivers of databases, as their
// function for dialing. TCP only.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return egress.DialContext(ctx, network, address)
}
