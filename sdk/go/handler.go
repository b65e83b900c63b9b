package lambent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"lambent.dev/go/internal/event"
	"lambent.dev/go/internal/instance"
)

// invoker is the Handler interface of github.com/aws/aws-lambda-go.
type invoker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// handler calls the author's function with an event.
type handler func(ctx context.Context, payload []byte) (any, error)

var (
	contextType = reflect.TypeOf((*context.Context)(nil)).Elem()
	errorType   = reflect.TypeOf((*error)(nil)).Elem()
)

const shapes = "it takes an http.Handler, or a function such as func(ctx context.Context, in TIn) (TOut, error)"

// newHandler recognises how a function wants to be called, once, so that a call costs as little as it can.
func newHandler(function any) (handler, error) {
	if invoker, is := function.(invoker); is {
		return func(ctx context.Context, payload []byte) (any, error) {
			result, err := invoker.Invoke(ctx, payload)
			return json.RawMessage(result), err
		}, nil
	}
	value := reflect.ValueOf(function)
	if function == nil || value.Kind() != reflect.Func || value.IsNil() {
		return nil, fmt.Errorf("lambent.Start got %T: %s", function, shapes)
	}
	kind := value.Type()
	takesContext, takesEvent, err := argumentsOf(kind)
	if err != nil {
		return nil, err
	}
	if err := checkResults(kind); err != nil {
		return nil, err
	}
	return func(ctx context.Context, payload []byte) (any, error) {
		arguments := make([]reflect.Value, 0, 2)
		if takesContext {
			arguments = append(arguments, reflect.ValueOf(ctx))
		}
		if takesEvent {
			in := reflect.New(kind.In(kind.NumIn() - 1))
			if err := json.Unmarshal(payload, in.Interface()); err != nil {
				return nil, fmt.Errorf("the event does not fit %s: %w", kind.In(kind.NumIn()-1), err)
			}
			arguments = append(arguments, in.Elem())
		}
		results := value.Call(arguments)
		if len(results) == 0 {
			return nil, nil
		}
		if err, _ := results[len(results)-1].Interface().(error); err != nil {
			return nil, err
		}
		if len(results) == 1 {
			return nil, nil
		}
		return results[0].Interface(), nil
	}, nil
}

func argumentsOf(kind reflect.Type) (takesContext, takesEvent bool, err error) {
	count := kind.NumIn()
	if kind.IsVariadic() || count > 2 {
		return false, false, fmt.Errorf("lambent.Start got %s, which takes too many arguments: %s", kind, shapes)
	}
	takesContext = count > 0 && kind.In(0).Kind() == reflect.Interface && kind.In(0).NumMethod() > 0 &&
		contextType.Implements(kind.In(0))
	if count == 2 && !takesContext {
		return false, false, fmt.Errorf("lambent.Start got %s, whose first argument is no context.Context: %s", kind, shapes)
	}
	return takesContext, count == 2 || (count == 1 && !takesContext), nil
}

func checkResults(kind reflect.Type) error {
	count := kind.NumOut()
	if count > 2 || (count > 0 && !kind.Out(count-1).Implements(errorType)) {
		return fmt.Errorf("lambent.Start got %s, whose last result is no error: %s", kind, shapes)
	}
	return nil
}

func (call handler) serve(inv *instance.Invocation) {
	payload, err := event.Payload(inv)
	if err != nil {
		instance.Here.FailWithError(inv, err)
		return
	}
	result, err := call(inv.Context(), payload)
	if err == nil {
		err = answer(inv, result)
	}
	if err != nil {
		instance.Here.FailWithError(inv, err)
	}
}

func answer(inv *instance.Invocation, result any) error {
	encoded, err := event.JSON(result)
	reader, isReader := result.(io.Reader)
	// A reader that is JSON at the same time counts as JSON, unless it has nothing to show: AWS's rule.
	if isReader && (err != nil || string(encoded) == "{}") {
		if closer, is := result.(io.Closer); is {
			defer closer.Close()
		}
		contentType := ""
		if typed, is := result.(interface{ ContentType() string }); is {
			contentType = typed.ContentType()
		}
		return event.Stream(inv, reader, contentType)
	}
	if err != nil {
		return event.NotJSON(err)
	}
	if failure := event.Answer(inv, encoded); failure != nil {
		return failure
	}
	return nil
}
