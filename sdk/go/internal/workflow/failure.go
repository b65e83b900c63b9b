package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"lambent.dev/go/internal/event"
	"lambent.dev/go/internal/instance"
)

// The largest payload within a message and the largest of all, in bytes of JSON: as src/model/journal.ts has them.
const (
	inlineBytesMax = 6 * 1024 * 1024
	largeBytesMax  = 64 * 1024 * 1024
)

// Error is a failure that came through the platform: of a step, a function, a child, a callback.
type Error struct {
	// Code is E_FUNCTION_ERROR for what code returned, E_TIMEOUT, E_EXECUTION_CANCELLED, …: see docs/errors.md.
	Code string
	// ErrorType is the name of the error's type where it came from; otherwise the code.
	ErrorType string
	Message   string
	// StackTrace is of where it came from, its author's own lines first.
	StackTrace []string

	final bool
}

func (e *Error) Error() string { return e.Message }

// Is makes what ran out of time context.DeadlineExceeded, and what was cancelled context.Canceled.
func (e *Error) Is(target error) bool {
	return (target == context.DeadlineExceeded && e.Code == "E_TIMEOUT") ||
		(target == context.Canceled && e.Code == "E_EXECUTION_CANCELLED")
}

// Retryable is false for what would fail again.
func (e *Error) Retryable() bool { return !e.final }

func errorOf(failure *Failure) *Error {
	return &Error{Code: failure.Code, ErrorType: failure.ErrorType, Message: failure.ErrorMessage, StackTrace: failure.StackTrace}
}

func (e *Error) failure() *Failure {
	return failureWith(e.Code, e.ErrorType, e.Message, e.StackTrace)
}

func failureWith(code, errorType, message string, stack []string) *Failure {
	if stack == nil {
		stack = []string{}
	}
	return &Failure{Code: code, ErrorType: errorType, ErrorMessage: message, StackTrace: stack}
}

func cancelledError(reason string) *Error {
	return &Error{Code: "E_EXECUTION_CANCELLED", ErrorType: "CancelledError", Message: reason}
}

// misuse is a failure that the runtime itself found. Doing the same again would find the same.
func misuse(code, format string, values ...any) *Error {
	return &Error{Code: code, ErrorType: code, Message: fmt.Sprintf(format, values...), final: true}
}

// Timeout is what waits end with when their time is over.
func Timeout(format string, values ...any) *Error {
	return &Error{Code: "E_TIMEOUT", ErrorType: "TimeoutError", Message: fmt.Sprintf(format, values...), final: true}
}

// failureOf describes an error as the journal keeps it. What came through the platform stays what it was; an error
// around it keeps its code and type.
func failureOf(err error) *Failure {
	var known *Error
	if errors.As(err, &known) {
		failure := known.failure()
		failure.ErrorMessage = err.Error()
		return failure
	}
	return shortened(instance.DescribeError(err))
}

func failureOfPanic(thrown any) *Failure { return shortened(instance.DescribePanic(thrown)) }

// Limits of the journal's own.
const (
	stackLinesMax     = 20
	stackLineBytesMax = 2_048
	errorTypeBytesMax = 256
)

func shortened(failure *Failure) *Failure {
	short := failureWith(failure.Code, failure.ErrorType, failure.ErrorMessage, failure.StackTrace)
	if len(short.ErrorType) > errorTypeBytesMax {
		short.ErrorType = short.ErrorType[:errorTypeBytesMax]
	}
	if len(short.StackTrace) > stackLinesMax {
		short.StackTrace = short.StackTrace[:stackLinesMax]
	}
	for i, line := range short.StackTrace {
		if len(line) > stackLineBytesMax {
			short.StackTrace[i] = line[:stackLineBytesMax]
		}
	}
	return short
}

// isRetryable says whether another attempt makes sense: unless the error says that it does not.
func isRetryable(err error) bool { return instance.Retryable(err) == nil }

// Encode makes a payload of a value; what JSON cannot hold is refused.
func Encode(value any, what string) (Payload, error) { return encode(value, what, largeBytesMax) }

// EncodeInline makes a payload that goes to whoever asked, or into a pattern, and not to the journal alone.
func EncodeInline(value any, what string) (Payload, error) {
	return encode(value, what, inlineBytesMax)
}

func encode(value any, what string, bytesMax int) (Payload, error) {
	text, err := event.JSON(value)
	if err != nil {
		return null, misuse("E_NOT_SERIALIZABLE", "%s cannot be written as JSON: %v", what, err)
	}
	if len(text) > bytesMax {
		return null, misuse("E_PAYLOAD_TOO_LARGE", "%s has %d bytes as JSON; at most %d are allowed", what, len(text), bytesMax)
	}
	if len(text) > inlineBytesMax {
		return largePayload(text), nil
	}
	return Payload{JSON: text}, nil
}

// Decode reads a payload into a value.
func Decode(payload Payload, into any, what string) error {
	text := payload.JSON
	if payload.large != nil {
		text = payload.large
	}
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return misuse("E_NOT_SERIALIZABLE", "%s does not fit %T: %v", what, into, err)
	}
	return nil
}
