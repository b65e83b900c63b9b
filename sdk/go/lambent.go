// Package lambent makes a Go program a function of Lambent.
//
//	package main
//
//	import (
//		"context"
//
//		lambent "lambent.dev/go"
//	)
//
//	type Order struct{ Item string }
//
//	func main() {
//		lambent.Start(func(ctx context.Context, order Order) (string, error) {
//			return "sold: " + order.Item, nil
//		})
//	}
//
// It uses Go's standard library only.
package lambent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"lambent.dev/go/internal/event"
	"lambent.dev/go/internal/instance"
	"lambent.dev/go/internal/web"
)

// HTTPRequest is the event of an HTTP request, for handlers that take events: API Gateway's payload format 2.0.
type HTTPRequest = event.HTTPRequest

// HTTPResponse is what such a handler returns to set status and headers. Any other result is the body of a 200.
type HTTPResponse = event.HTTPResponse

// Start answers calls with the handler until the platform ends the program. It does not return.
//
// The handler is an http.Handler (or a func(http.ResponseWriter, *http.Request)), or a function that takes an event
// and returns a result, both as JSON. TIn and TOut are any types that encoding/json knows:
//
//	func ()
//	func (TIn)
//	func () error
//	func (TIn) error
//	func () (TOut, error)
//	func (TIn) (TOut, error)
//
// and each of them with a context.Context as its first argument. An io.Reader as TOut is streamed. These are the
// signatures of github.com/aws/aws-lambda-go; its Handler interface (Invoke) is taken as well.
//
// Each call runs in a goroutine of its own. A panic ends its call with an error; one in a goroutine that the handler
// started ends the program, as ever in Go: see [Go].
func Start(handler any) {
	here := instance.Here
	if here == nil {
		fmt.Fprintln(os.Stderr, "This program is a function of Lambent: run `lambent dev` in the app's folder to start it.")
		os.Exit(1)
	}
	switch handler := handler.(type) {
	case http.Handler:
		here.Run(web.Handler(handler))
	case func(http.ResponseWriter, *http.Request):
		here.Run(web.Handler(http.HandlerFunc(handler)))
	}
	call, err := newHandler(handler)
	if err != nil {
		here.Refuse(&instance.Failure{Code: "E_HANDLER_MISSING", ErrorType: "InvalidHandler", ErrorMessage: err.Error()})
	}
	here.Run(instance.Handler{Kind: "plain", Serve: call.serve})
}

// Call says which call a context belongs to.
type Call struct {
	// RequestID is unique, and the same at each attempt.
	RequestID string
	// App, Function and Version name what runs; the version is the number of the deployment.
	App, Function, Version string
	// MemoryMB is the memory that the function may use.
	MemoryMB int64
	// Deadline is when the platform stops the call.
	Deadline time.Time
	// Trigger is `http`, `invoke`, `async`, `event` or `workflow`.
	Trigger string
	// Attempt counts from 1; 0 when somebody waits for the answer.
	Attempt int
	// Traceparent is the caller's W3C trace context, if it gave one.
	Traceparent string
	// ClientContext is what the caller gave as Lambda's client context, as JSON; nil when it gave none.
	ClientContext json.RawMessage
	// Caller is the function that called this one; nil when none did.
	Caller *Caller
}

// Caller is a function that called another.
type Caller = instance.Caller

// CallOf finds the call that ctx belongs to. It also works with the context of an *http.Request.
func CallOf(ctx context.Context) (Call, bool) {
	inv, ok := instance.FromContext(ctx)
	if !ok {
		return Call{}, false
	}
	app, function, version, memoryMB := instance.Here.Function()
	return Call{
		RequestID:     inv.Info.RequestID,
		App:           app,
		Function:      function,
		Version:       version,
		MemoryMB:      memoryMB,
		Deadline:      inv.Info.Deadline,
		Trigger:       inv.Info.Trigger,
		Attempt:       inv.Info.Attempt,
		Traceparent:   inv.Info.Traceparent,
		ClientContext: inv.Info.ClientContext,
		Caller:        inv.Info.Caller,
	}, true
}

// Go runs work that may outlast the answer of the call that ctx belongs to. The platform keeps the program alive for
// it, what it logs belongs to the call, and a panic in it is logged instead of ending the program. The context that
// work gets is not cancelled when the call ends.
func Go(ctx context.Context, work func(ctx context.Context)) {
	inv, ok := instance.FromContext(ctx)
	detached := context.WithoutCancel(ctx)
	if !ok {
		go work(detached)
		return
	}
	instance.Here.Background(inv, func() { work(detached) })
}

// OnShutdown adds clean-up for the end of the program: closing a database, sending what is left. All clean-up
// together has two seconds; what was added last runs first.
func OnShutdown(cleanUp func()) {
	if instance.Here != nil {
		instance.Here.OnShutdown(cleanUp)
	}
}
