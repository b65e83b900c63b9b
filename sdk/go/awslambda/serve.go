// Package awslambda runs programs of github.com/aws/aws-lambda-go as they are. The platform's build adds one file to
// that module's package lambda (start-here.go.txt beside this file), which hands over to Serve. It is no interface for
// people: programs import either that module or lambent.dev/go.
package awslambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	// Its clients find the way out of the sandbox.
	_ "lambent.dev/go/internal/egress"
	"lambent.dev/go/internal/event"
	"lambent.dev/go/internal/instance"
)

// Program is what a call of lambda.Start left.
type Program struct {
	// Base has the values that the program gave for every call.
	Base context.Context
	// Call calls the handler; its result is JSON, or a stream with a ContentType method.
	Call func(ctx context.Context, payload []byte) (io.Reader, error)
	// Context adds what package lambdacontext finds.
	Context func(ctx context.Context, requestID string, clientContext json.RawMessage) context.Context
	// Explain tells an error's type, message and stack in the module's own way.
	Explain func(err error) (errorType, message string, stack []string)
	// CleanUp runs before the program ends.
	CleanUp []func()
}

// callContext is cancelled with the call and finds its trace and the program's values.
type callContext struct {
	context.Context
	base  context.Context
	trace string
}

func (c callContext) Value(key any) any {
	if key == traceKey {
		return c.trace
	}
	if value := c.Context.Value(key); value != nil {
		return value
	}
	return c.base.Value(key)
}

// Serve answers calls until the platform ends the program.
func Serve(program Program) error {
	here := instance.Here
	if here == nil {
		return errors.New("LAMBENT_APP is set, but the platform did not start this program")
	}
	for _, cleanUp := range program.CleanUp {
		here.OnShutdown(cleanUp)
	}
	here.Run(instance.Handler{Kind: "lambda", Serve: program.serve})
	return nil
}

func (program *Program) serve(inv *instance.Invocation) {
	err := program.answer(inv)
	if err == nil {
		return
	}
	var known *instance.Failure
	if !errors.As(err, &known) {
		errorType, message, stack := program.Explain(err)
		known = &instance.Failure{Code: "E_FUNCTION_ERROR", ErrorType: errorType, ErrorMessage: message, StackTrace: stack, Retryable: instance.Retryable(err)}
	}
	instance.Here.FailWith(inv, known)
}

func (program *Program) answer(inv *instance.Invocation) error {
	payload, err := event.Payload(inv)
	if err != nil {
		return err
	}
	ctx := program.Context(callContext{inv.Context(), program.Base, tellTrace(inv)}, inv.Info.RequestID, inv.Info.ClientContext)
	response, err := program.Call(ctx, payload)
	if err != nil {
		return err
	}
	if closer, is := response.(io.Closer); is {
		defer closer.Close()
	}
	// The module's own buffer, and that of handlers with Invoke: a whole result in JSON.
	if whole, is := response.(interface{ Bytes() []byte }); is {
		return failed(event.Answer(inv, bytes.TrimSpace(whole.Bytes())))
	}
	contentType := ""
	if typed, is := response.(interface{ ContentType() string }); is {
		contentType = typed.ContentType()
	}
	return event.Stream(inv, response, contentType)
}

// failed keeps a nil failure a nil error.
func failed(failure *instance.Failure) error {
	if failure == nil {
		return nil
	}
	return failure
}
