package lambent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lambent.dev/go/internal/event"
	"lambent.dev/go/internal/instance"
)

// errOutside is what calls end with in a program that runs by itself.
var errOutside = errors.New("this works in a function that runs on Lambent; this process has no connection to one")

// CallError says why a call of the platform did not succeed.
type CallError struct {
	// Code is stable: `E_FUNCTION_ERROR` where the function that was called failed; see docs/errors.md for the others.
	Code string
	// ErrorType is the name of the error's type in the function that was called; otherwise the code.
	ErrorType string
	Message   string
	// StackTrace is of the function that was called, its author's own lines first.
	StackTrace []string
	// Retryable says whether the same call can succeed later without anybody changing anything.
	Retryable bool
	// Hint says what to do next.
	Hint string
}

func (e *CallError) Error() string {
	if e.ErrorType == e.Code {
		return e.Code + ": " + e.Message
	}
	return e.ErrorType + ": " + e.Message
}

// Invoke calls another function of this app with an event, which becomes JSON of at most 6 MiB, and waits for its
// result. The call goes over the program's own connection to the platform: there is no address and no key. Give it the
// context of the call at hand: it carries the trace, and the wait ends with it.
//
//	sum, err := lambent.Invoke[Sum](ctx, "add", Pair{20, 22})
//
// The error is a *[CallError]: the function's own, or E_NOT_FOUND, E_FUNCTION_TIMEOUT, E_CONCURRENCY_LIMIT,
// E_CALL_DEPTH after 16 calls from function to function, E_CALL_DEADLOCK for a call that would wait for itself,
// E_PAYLOAD_TOO_LARGE. Calls are not retried.
func Invoke[Out any](ctx context.Context, function string, event any) (Out, error) {
	var out Out
	err := callPlatform(ctx, "invoke", map[string]any{"function": function, "mode": "sync"}, event, &out)
	return out, err
}

// InvokeAsync has another function called without waiting for it: it returns the id of the invocation once the call is
// stored. It then happens at least once, with the retries of the manifest's `attempts`.
func InvokeAsync(ctx context.Context, function string, event any) (id string, err error) {
	var stored struct{ ID string }
	err = callPlatform(ctx, "invoke", map[string]any{"function": function, "mode": "async"}, event, &stored)
	return stored.ID, err
}

// Event is a CloudEvents 1.0 envelope as a function writes it: the platform adds what is missing.
type Event struct {
	// Type is what happened, as `order.placed`.
	Type string `json:"type"`
	// Source is where; empty: the function that emits.
	Source string `json:"source,omitempty"`
	// Subject is what it happened to, as `order/42`.
	Subject string `json:"subject,omitempty"`
	// ID is a new one when empty. The same id from the same source is one event.
	ID string `json:"id,omitempty"`
	// Time is now when nil.
	Time *time.Time `json:"time,omitempty"`
	// Data is any JSON.
	Data any `json:"data,omitempty"`
}

// Emit emits an event to the app's bus. It returns the event's id once it is stored. The error is a *[CallError].
func Emit(ctx context.Context, event Event) (id string, err error) {
	var stored struct{ ID string }
	err = callPlatform(ctx, "emit", map[string]any{}, event, &stored)
	return stored.ID, err
}

// Message is what Send sends.
type Message struct {
	// Body is sent as text when it is a string, as bytes when it is a []byte, and as JSON otherwise.
	Body any
	// ID names the message, so that one that is sent again is known; a new one when empty.
	ID      string
	Headers map[string]string
	// ContentType is `application/json`, `text/plain` or `application/octet-stream`, by what Body is, when empty.
	ContentType string
	// QoS is of MQTT alone. 2: the broker takes it once for certain, as long as the connection holds; 1 when zero.
	QoS int
}

// Send sends a message through a connection of the app, which the manifest must name for the function (`connections`).
// The destination is a queue or `exchange/key` of RabbitMQ, the key of a stream of Redis, a subject of a stream of NATS,
// a topic of MQTT, a topic or `topic/key` of Kafka, a queue or `queue.fifo/group` of SQS. It returns the message's id
// once the broker has confirmed it.
//
// The error is a *[CallError]: E_SEND_FAILED (it may have arrived all the same where the broker did not answer),
// E_CONNECTION_NOT_NAMED, E_SECRET_MISSING, E_PAYLOAD_TOO_LARGE, E_OVERLOADED. It is not retried.
func Send(ctx context.Context, connection, destination string, message Message) (id string, err error) {
	args := map[string]any{"connection": connection, "destination": destination, "as": "json"}
	switch message.Body.(type) {
	case string:
		args["as"] = "text"
	case []byte:
		// encoding/json writes it in base64, which is how it travels.
		args["as"] = "bytes"
	}
	if message.ID != "" {
		args["id"] = message.ID
	}
	if message.Headers != nil {
		args["headers"] = message.Headers
	}
	if message.ContentType != "" {
		args["contentType"] = message.ContentType
	}
	if message.QoS != 0 {
		args["qos"] = message.QoS
	}
	var sent struct{ ID string }
	err = callPlatform(ctx, "send", args, message.Body, &sent)
	return sent.ID, err
}

func callPlatform(ctx context.Context, operation string, args map[string]any, value, out any) error {
	if instance.Here == nil {
		return errOutside
	}
	payload, err := event.JSON(value)
	if err != nil {
		return fmt.Errorf("%s takes a value that JSON can hold: %w", operation, err)
	}
	result, err := instance.Here.Call(ctx, operation, args, payload)
	var failure *instance.CallFailure
	if errors.As(err, &failure) {
		return &CallError{
			Code:       failure.Code,
			ErrorType:  failure.ErrorType,
			Message:    failure.ErrorMessage,
			StackTrace: failure.StackTrace,
			Retryable:  failure.Retryable,
			Hint:       failure.Hint,
		}
	}
	if err != nil || len(result) == 0 {
		return err
	}
	if err := json.Unmarshal(result, out); err != nil {
		return fmt.Errorf("the result of %s does not fit %T: %w", operation, out, err)
	}
	return nil
}
