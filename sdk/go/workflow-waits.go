package lambent

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"lambent.dev/go/internal/workflow"
)

// EventOptions of [WaitForEvent].
type EventOptions struct {
	// Match is an event pattern as in EventBridge, over the whole event: map[string]any{"data": …}.
	Match any
	// Timeout: the wait ends with context.DeadlineExceeded then. Default: it waits for ever.
	Timeout time.Duration
}

// WaitForEvent waits for the next event of this type on the bus. Out is the whole event: [Event], or a struct of your own.
func WaitForEvent[Out any](ctx *WorkflowContext, eventType string, options ...EventOptions) (Out, error) {
	var out Out
	chosen := first(options)
	var match json.RawMessage
	if chosen.Match != nil {
		pattern, err := workflow.EncodeInline(chosen.Match, "the pattern of event "+eventType)
		if err != nil {
			return out, err
		}
		match = pattern.JSON
	}
	payload, err := ctx.thread.WaitForEvent(eventType, match, chosen.Timeout)
	if err != nil {
		return out, err
	}
	return out, workflow.Decode(payload, &out, "event "+eventType)
}

// WaitOptions of callbacks, children, signals and conditions.
type WaitOptions struct {
	// Name is for whoever reads the history, where the operation has none of its own.
	Name string
	// Timeout: the wait ends with context.DeadlineExceeded then. Default: it waits for ever.
	Timeout time.Duration
}

// Callback is a question to the world outside: give the token or the address away, then wait for the result.
type Callback[Out any] struct {
	Token string
	// URL is where a POST with a JSON body answers.
	URL     string
	pending *workflow.Pending
}

// NewCallback asks a person or a service.
func NewCallback[Out any](ctx *WorkflowContext, options ...WaitOptions) *Callback[Out] {
	chosen := first(options)
	token, pending := ctx.thread.Callback(chosen.Name, chosen.Timeout)
	return &Callback[Out]{Token: token, URL: ctx.thread.Run().CallbackURL + token, pending: pending}
}

// Result waits for the answer.
func (callback *Callback[Out]) Result(ctx *WorkflowContext) (Out, error) {
	return resultOf[Out](ctx, callback.pending, "the answer")
}

// Child is another execution, begun by this one.
type Child[Out any] struct {
	ID      string
	pending *workflow.Pending
}

// StartChild begins another workflow of this deployment. Its Result waits for its end.
func StartChild[Out any](ctx *WorkflowContext, name string, in any, options ...WaitOptions) *Child[Out] {
	input, err := workflow.Encode(in, "the input of workflow "+name)
	if err != nil {
		panic(err)
	}
	id, pending := ctx.thread.Child(name, input, true, first(options).Timeout)
	return &Child[Out]{id, pending}
}

// Result is what the child ends with.
func (child *Child[Out]) Result(ctx *WorkflowContext) (Out, error) {
	return resultOf[Out](ctx, child.pending, "the result of the child")
}

func resultOf[Out any](ctx *WorkflowContext, pending *workflow.Pending, what string) (Out, error) {
	var out Out
	payload, err := pending.Result(ctx.thread)
	if err != nil {
		return out, err
	}
	return out, workflow.Decode(payload, &out, what)
}

// StartWorkflow begins another workflow and leaves it alone. It returns the id once that has begun.
func (ctx *WorkflowContext) StartWorkflow(name string, in any) (id string, err error) {
	input, err := workflow.Encode(in, "the input of workflow "+name)
	if err != nil {
		return "", err
	}
	id, pending := ctx.thread.Child(name, input, false, 0)
	_, err = pending.Result(ctx.thread)
	return id, err
}

// Go runs work beside the branch. A panic in it ends the execution.
func (ctx *WorkflowContext) Go(work func(ctx *WorkflowContext)) {
	if err := ctx.thread.Go(func(t *workflow.Thread) { work(&WorkflowContext{t}) }); err != nil {
		panic(err)
	}
}

// Parallel runs branches at once. When one fails, the others are given up and its error is returned. It returns when
// all have ended.
func Parallel(ctx *WorkflowContext, branches ...func(ctx *WorkflowContext) error) error {
	_, err := ctx.thread.Race("parallel", "parallel", len(branches), len(branches), 0,
		func(t *workflow.Thread, place int) error { return branches[place](&WorkflowContext{t}) })
	return err
}

// MapOptions of [Map] and [MapSettled].
type MapOptions struct {
	Name string
	// Concurrency is how many items are worked on at once. Default: 100.
	Concurrency int
	// Tolerate is how many items may fail, for [MapSettled]: a number, or a share as `10%`. Default: all.
	Tolerate string
}

// Map works on each item, several at once. When one fails, the others are given up and its error is returned.
func Map[In, Out any](ctx *WorkflowContext, items []In, work func(ctx *WorkflowContext, item In) (Out, error), options ...MapOptions) ([]Out, error) {
	results, _, err := mapped(ctx, items, work, first(options), 0)
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Settled is how one item of [MapSettled] ended.
type Settled[Out any] struct {
	Value Out
	Err   error
}

// MapSettled is a [Map] that tolerates failures. With more than it tolerates, all of it fails.
func MapSettled[In, Out any](ctx *WorkflowContext, items []In, work func(ctx *WorkflowContext, item In) (Out, error), options ...MapOptions) ([]Settled[Out], error) {
	chosen := first(options)
	tolerate, err := toleranceOf(chosen.Tolerate, len(items))
	if err != nil {
		return nil, err
	}
	results, errs, err := mapped(ctx, items, work, chosen, tolerate)
	if err != nil {
		return nil, err
	}
	settled := make([]Settled[Out], len(items))
	for i := range settled {
		settled[i] = Settled[Out]{results[i], errs[i]}
	}
	return settled, nil
}

func mapped[In, Out any](ctx *WorkflowContext, items []In, work func(ctx *WorkflowContext, item In) (Out, error), options MapOptions, tolerate int) ([]Out, []error, error) {
	name, concurrency := options.Name, options.Concurrency
	if name == "" {
		name = "map"
	}
	if concurrency <= 0 {
		concurrency = 100
	}
	results := make([]Out, len(items))
	errs, err := ctx.thread.Race("map", name, len(items), concurrency, tolerate, func(t *workflow.Thread, place int) (err error) {
		results[place], err = work(&WorkflowContext{t}, items[place])
		return err
	})
	return results, errs, err
}

func toleranceOf(tolerate string, items int) (int, error) {
	if tolerate == "" {
		return items, nil
	}
	share, isShare := strings.CutSuffix(tolerate, "%")
	value, err := strconv.ParseFloat(share, 64)
	if err != nil || value < 0 {
		return 0, &WorkflowError{Code: "E_BAD_REQUEST", ErrorType: "E_BAD_REQUEST", Message: "Tolerate takes a number or a share such as `10%`, not " + strconv.Quote(tolerate)}
	}
	if isShare {
		value = value / 100 * float64(items)
	}
	return int(value), nil
}

// Send sends a signal to another execution. The error is E_EXECUTION_ENDED if that has ended.
func (ctx *WorkflowContext) Send(execution, signal string, value any) error {
	input, err := workflow.Encode(value, "the input of signal "+signal)
	if err != nil {
		return err
	}
	return ctx.thread.Send(execution, signal, input)
}

// OnSignal calls handle with each signal of this name, those that came before included.
func OnSignal[In any](ctx *WorkflowContext, name string, handle func(in In)) error {
	return ctx.thread.OnSignal(name, func(payload workflow.Payload) error {
		var in In
		if err := workflow.Decode(payload, &in, "signal "+name); err != nil {
			return err
		}
		handle(in)
		return nil
	})
}

// Receive waits for the next signal of this name.
func Receive[In any](ctx *WorkflowContext, signal string, options ...WaitOptions) (In, error) {
	var in In
	payload, err := ctx.thread.Receive(signal, first(options).Timeout)
	if err != nil {
		return in, err
	}
	return in, workflow.Decode(payload, &in, "signal "+signal)
}

// OnQuery answers questions about the state. It may not change anything.
func OnQuery[In, Out any](ctx *WorkflowContext, name string, answer func(in In) (Out, error)) {
	ctx.thread.OnQuery(name, func(payload workflow.Payload) (workflow.Payload, error) {
		return answered(payload, "query "+name, answer)
	})
}

// OnUpdate is like a signal, with an answer to whoever sent it. It runs beside the workflow, with a ctx of its own.
func OnUpdate[In, Out any](ctx *WorkflowContext, name string, handle func(ctx *WorkflowContext, in In) (Out, error)) error {
	return ctx.thread.OnUpdate(name, func(t *workflow.Thread, payload workflow.Payload) (workflow.Payload, error) {
		return answered(payload, "update "+name, func(in In) (Out, error) { return handle(&WorkflowContext{t}, in) })
	})
}

func answered[In, Out any](payload workflow.Payload, what string, answer func(in In) (Out, error)) (workflow.Payload, error) {
	var in In
	if err := workflow.Decode(payload, &in, "the input of "+what); err != nil {
		return workflow.Payload{}, err
	}
	out, err := answer(in)
	if err != nil {
		return workflow.Payload{}, err
	}
	return workflow.EncodeInline(out, "the answer to "+what)
}

// Until waits until the condition over the workflow's own variables holds. False: the time is over.
func (ctx *WorkflowContext) Until(condition func() bool, options ...WaitOptions) (bool, error) {
	return ctx.thread.Until(condition, first(options).Timeout)
}

// StartWorkflow starts an execution of a workflow of this app from a function. It returns the id once it is stored.
// With a key, starting twice with the same input is starting once. The error is a *[CallError].
func StartWorkflow(ctx context.Context, name string, in any, key ...string) (id string, err error) {
	args := map[string]any{"workflow": name}
	if len(key) > 0 {
		args["key"] = key[0]
	}
	var started struct{ ID string }
	err = callPlatform(ctx, "workflow.start", args, in, &started)
	return started.ID, err
}

// SignalWorkflow sends a signal to an execution of this app from a function. The error is a *[CallError].
func SignalWorkflow(ctx context.Context, execution, signal string, value any) error {
	var none any
	return callPlatform(ctx, "workflow.signal", map[string]any{"execution": execution, "name": signal}, value, &none)
}
