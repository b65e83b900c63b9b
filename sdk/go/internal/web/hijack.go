package web

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"

	"lambent.dev/go/internal/instance"
)

const (
	// headBytesMax is how long the head may be that a handler writes to answer an upgrade.
	headBytesMax = 64 * 1024
	pumpBytes    = 16 * 1024
)

// upgraded is the connection that a handler took over. A pipe lies between it and the frames: that gives it the
// deadlines that a connection has.
type upgraded struct {
	net.Conn
	remote address
}

func (u *upgraded) RemoteAddr() net.Addr { return u.remote }
func (u *upgraded) LocalAddr() net.Addr  { return address{"127.0.0.1:0"} }

func hijack(inv *instance.Invocation, status int, block []byte) (net.Conn, error) {
	theirs, ours := net.Pipe()
	inv.Upgrade()
	if status == http.StatusSwitchingProtocols {
		if err := inv.Respond(status, block, nil, false); err != nil {
			return nil, err
		}
	}
	go pumpOut(inv, ours, status == http.StatusSwitchingProtocols)
	go pumpIn(inv, ours)
	go func() {
		<-inv.Context().Done()
		ours.Close()
	}()
	return &upgraded{Conn: theirs, remote: address{net.JoinHostPort(inv.HTTP.RemoteAddr, "0")}}, nil
}

// pumpOut sends what the handler writes until it closes the connection.
func pumpOut(inv *instance.Invocation, from net.Conn, begun bool) {
	defer from.Close()
	if !begun {
		rest, ok := answerHead(inv, from)
		if !ok {
			return
		}
		if len(rest) > 0 && inv.WriteBody(rest, false) != nil {
			inv.End()
			return
		}
	}
	chunk := make([]byte, pumpBytes)
	for {
		n, err := from.Read(chunk)
		if n > 0 && inv.WriteBody(chunk[:n], false) != nil {
			break
		}
		if err != nil {
			break
		}
	}
	inv.End()
}

// pumpIn passes on what the caller sends.
func pumpIn(inv *instance.Invocation, to net.Conn) {
	chunk := make([]byte, pumpBytes)
	for {
		n, err := inv.Read(chunk)
		if n > 0 {
			if _, writeErr := to.Write(chunk[:n]); writeErr != nil {
				return
			}
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// answerHead reads the head that the handler writes and sends it; what follows it in the same bytes is returned.
func answerHead(inv *instance.Invocation, from io.Reader) ([]byte, bool) {
	var head []byte
	chunk := make([]byte, pumpBytes)
	for {
		n, err := from.Read(chunk)
		head = append(head, chunk[:n]...)
		if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
			return head[end+4:], sendHead(inv, head[:end+4])
		}
		if err != nil || len(head) > headBytesMax {
			refuseUpgrade(inv, "the function closed the connection without accepting the upgrade")
			return nil, false
		}
	}
}

func sendHead(inv *instance.Invocation, head []byte) bool {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil || response.StatusCode < 101 || response.StatusCode > 599 {
		line, _, _ := strings.Cut(string(head), "\r\n")
		refuseUpgrade(inv, "the answer to an upgrade must begin with an HTTP status line, not "+textproto.TrimString(line))
		return false
	}
	isSwitch := response.StatusCode == http.StatusSwitchingProtocols
	var block []byte
	for name, values := range response.Header {
		if hopHeaders[name] && !(isSwitch && name == "Upgrade") {
			continue
		}
		for _, value := range values {
			block = appendHeader(block, name, value)
		}
	}
	return inv.Respond(response.StatusCode, block, nil, false) == nil
}

func refuseUpgrade(inv *instance.Invocation, why string) {
	inv.Fail(&instance.Failure{Code: "E_UPGRADE_REFUSED", ErrorType: "UpgradeRefused", ErrorMessage: why})
}
