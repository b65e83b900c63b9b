// Package web lets net/http handlers answer invocations: each request becomes an *http.Request and an
// http.ResponseWriter around the invocation's frames, so that middleware finds what it knows.
//
// Bodies stream both ways and may have trailers, Flush sends what is there, Hijack takes over an upgraded connection. 1xx
// answers and HTTP/2 push are absent: the protocol has no frames for them.
package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"lambent.dev/go/internal/event"
	"lambent.dev/go/internal/instance"
)

const statusTextMax = 1_000

// Handler answers invocations through a net/http handler.
func Handler(handler http.Handler) instance.Handler {
	return instance.Handler{
		Kind: "server",
		Serve: func(inv *instance.Invocation) {
			if inv.IsHTTP {
				serve(inv, handler)
			} else {
				serveEvent(inv, handler)
			}
		},
	}
}

func serve(inv *instance.Invocation, handler http.Handler) {
	w := newResponseWriter(inv)
	request, err := newRequest(inv)
	if err != nil {
		// The gateway has read it as HTTP; Go's stricter parser has not.
		http.Error(w, "400 Bad Request: "+err.Error(), http.StatusBadRequest)
		w.finish()
		return
	}
	w.request = request
	defer func() {
		if thrown := recover(); thrown != nil {
			w.abandon(thrown)
		}
	}()
	handler.ServeHTTP(w, request)
	w.finish()
}

// abandon ends an answer that the handler did not finish.
func (w *responseWriter) abandon(thrown any) {
	if w.hijacked {
		// The connection is another goroutine's by now: it ends with its own.
		instance.Here.FailWithPanic(w.inv, thrown)
		return
	}
	if err, ok := thrown.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		w.inv.Fail(&instance.Failure{
			Code:         "E_FUNCTION_ERROR",
			ErrorType:    "AbortHandler",
			ErrorMessage: "the handler broke its answer off (http.ErrAbortHandler)",
		})
		return
	}
	instance.Here.FailWithPanic(w.inv, thrown)
}

// serveEvent hands an event to the handler as a POST with the event as its JSON body. A status from 400 on is a failure.
func serveEvent(inv *instance.Invocation, handler http.Handler) {
	request, _ := http.NewRequestWithContext(inv.Context(), http.MethodPost, "http://lambent.internal/", io.NopCloser(inv))
	request.RequestURI = "/"
	request.RemoteAddr = "127.0.0.1:0"
	request.ContentLength = -1
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Request-Id", inv.Info.RequestID)
	answer := &collected{header: http.Header{}}
	handler.ServeHTTP(answer, request)
	body := answer.body.Bytes()
	switch {
	case len(body) > event.ResultBytesMax:
		instance.Here.FailWith(inv, event.ResultTooLarge(len(body)))
	case answer.status >= 400:
		text := strings.ToValidUTF8(string(body), "\uFFFD")
		if len(text) > statusTextMax {
			text = strings.ToValidUTF8(text[:statusTextMax], "")
		}
		instance.Here.FailWith(inv, &instance.Failure{
			Code:         "E_FUNCTION_ERROR",
			ErrorType:    "HttpStatusError",
			ErrorMessage: fmt.Sprintf("the handler answered the event with status %d: %s", answer.status, text),
		})
	case len(body) == 0:
		_ = inv.Result([]byte("null"), true)
	case json.Valid(body):
		_ = inv.Result(body, true)
	default:
		text, _ := json.Marshal(string(body))
		_ = inv.Result(text, true)
	}
}

// collected is the answer to an event, kept instead of sent.
type collected struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *collected) Header() http.Header { return c.header }

func (c *collected) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
}

func (c *collected) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	if c.body.Len()+len(p) > 2*event.ResultBytesMax {
		return 0, errors.New("the answer to an event is too large")
	}
	return c.body.Write(p)
}

func (c *collected) Flush() {}
