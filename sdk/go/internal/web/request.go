package web

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"lambent.dev/go/internal/instance"
)

// server is what handlers find in the context of a request. It listens nowhere.
var server = &http.Server{}

// requestContext adds what net/http's own server puts into a request's context.
type requestContext struct{ context.Context }

func (c requestContext) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return server
	case http.LocalAddrContextKey:
		return address{"127.0.0.1:0"}
	}
	return c.Context.Value(key)
}

// address is one end of a connection that the gateway has.
type address struct{ text string }

func (address) Network() string  { return "tcp" }
func (a address) String() string { return a.text }

// body reads a request's body. Close stops reading it; what still comes is not taken in.
type body struct {
	inv     *instance.Invocation
	request *http.Request
	closed  bool
	// trailed: what followed the body has been filled in.
	trailed bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.inv.Read(p)
	if err == io.EOF && !b.trailed {
		b.trailed = true
		b.takeTrailers()
	}
	return n, err
}

// takeTrailers fills in what followed the body, as net/http's server does when the body has been read.
func (b *body) takeTrailers() {
	for _, line := range b.inv.Trailers() {
		name, value, _ := strings.Cut(line, ": ")
		if b.request.Trailer == nil {
			b.request.Trailer = http.Header{}
		}
		// What was announced is there, and has no values yet.
		b.request.Trailer.Add(name, value)
	}
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

func newRequest(inv *instance.Invocation) (*http.Request, error) {
	head := &inv.HTTP
	target, err := url.ParseRequestURI(head.Target)
	if err != nil {
		return nil, err
	}
	request := &http.Request{
		Method:     head.Method,
		URL:        target,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		RequestURI: head.Target,
		RemoteAddr: net.JoinHostPort(head.RemoteAddr, "0"),
		Body:       http.NoBody,
	}
	setHeaders(request, head.Lines)
	if head.Scheme == "https" {
		// Ended at the gateway: handlers look at it to see how they were called.
		request.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: request.Host}
	}
	var incoming *body
	if inv.HasBody() {
		incoming = &body{inv: inv}
		request.Body = incoming
		request.ContentLength = -1
		if length := request.Header.Get("Content-Length"); length != "" {
			request.ContentLength, err = strconv.ParseInt(length, 10, 64)
			if err != nil {
				return nil, err
			}
		}
	}
	for _, pair := range strings.Split(head.Params, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			if plain, err := url.PathUnescape(value); err == nil {
				value = plain
			}
			request.SetPathValue(name, value)
		}
	}
	request = request.WithContext(requestContext{inv.Context()})
	if incoming != nil {
		incoming.request = request
	}
	return request, nil
}

// setHeaders does as net/http's server does: canonical names, and Host, Transfer-Encoding and Trailer apart.
func setHeaders(request *http.Request, lines []string) {
	header := make(http.Header, len(lines))
	values := make([]string, len(lines))
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			name = strings.TrimSuffix(name, ":")
		}
		switch name {
		case "host":
			request.Host = value
			continue
		case "transfer-encoding":
			request.TransferEncoding = []string{value}
			continue
		case "trailer":
			announceTrailers(request, value)
			continue
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		if before, known := header[key]; known {
			header[key] = append(before, value)
			continue
		}
		// One array for all: most headers come once.
		values[i] = value
		header[key] = values[i : i+1 : i+1]
	}
	request.Header = header
}

func announceTrailers(request *http.Request, names string) {
	for _, name := range strings.Split(names, ",") {
		if name = textproto.TrimString(name); name == "" {
			continue
		}
		if request.Trailer == nil {
			request.Trailer = http.Header{}
		}
		request.Trailer[textproto.CanonicalMIMEHeaderKey(name)] = nil
	}
}
