package lambent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"lambent.dev/go/internal/instance"
	"lambent.dev/go/internal/workflow"
)

// WorkflowDefinition is a durable workflow: see [Workflow].
type WorkflowDefinition struct {
	name string
	main workflow.Main
}

// Workflow defines a durable workflow under the name that it has in the manifest.
//
//	func main() {
//		lambent.StartWorkflows(lambent.Workflow("order", order))
//	}
//
//	func order(ctx *lambent.WorkflowContext, in Order) (Receipt, error) {
//		price, err := lambent.CallFunction[int](ctx, "price", in.Item)
//		...
//	}
//
// What goes through ctx is recorded and never done again once its result is: after a crash the function runs from its
// beginning and gets the recorded results. So the code between must do the same each time: what reads clocks, draws
// random numbers, ranges over a map or does I/O belongs into a [Step] (or is ctx.Now, ctx.Random, ctx.UUID). Goroutines
// are ctx.Go, [Parallel] and [Map], of which one runs at a time; channels, mutexes and `go` are not needed in between.
// When an execution rests, its goroutines end, and what they deferred runs: undoing belongs into ctx.Compensate.
//
// What it logs by package log or log/slog appears once, however often it is replayed.
func Workflow[In, Out any](name string, run func(ctx *WorkflowContext, in In) (Out, error)) WorkflowDefinition {
	return WorkflowDefinition{name, func(t *workflow.Thread, input workflow.Payload) (workflow.Payload, error) {
		var in In
		what := "of workflow " + t.Run().Execution.Workflow
		if err := workflow.Decode(input, &in, "the input "+what); err != nil {
			return workflow.Payload{}, err
		}
		out, err := run(&WorkflowContext{t}, in)
		if err != nil {
			return workflow.Payload{}, err
		}
		return workflow.Encode(out, "the result "+what)
	}}
}

// StartWorkflows runs executions of the workflow that the manifest names, until the platform ends the program. It does
// not return. A program may have several workflows, each an entry of the manifest.
func StartWorkflows(workflows ...WorkflowDefinition) {
	here := instance.Here
	if here == nil {
		fmt.Fprintln(os.Stderr, "This program is a workflow of Lambent: run `lambent dev` in the app's folder to start it.")
		os.Exit(1)
	}
	_, wanted, _, _ := here.Function()
	names := make([]string, 0, len(workflows))
	for _, each := range workflows {
		if each.name == wanted {
			here.Run(workflow.Handler(each.main))
		}
		names = append(names, each.name)
	}
	sort.Strings(names)
	here.Refuse(&instance.Failure{
		Code: "E_HANDLER_MISSING", ErrorType: "HandlerMissing",
		ErrorMessage: fmt.Sprintf("the manifest has the workflow %s, this program %s: give both the same name", wanted, strings.Join(names, ", ")),
	})
}

// WorkflowContext is what a workflow, or a branch of one, is given. It belongs to its own branch: a branch uses the one
// that it gets.
type WorkflowContext struct{ thread *workflow.Thread }

// ID is of this execution.
func (ctx *WorkflowContext) ID() string { return ctx.thread.Run().Execution.ID }

// App is the app of this execution.
func (ctx *WorkflowContext) App() string { return ctx.thread.Run().Execution.App }

// WorkflowName is what the manifest calls the workflow.
func (ctx *WorkflowContext) WorkflowName() string { return ctx.thread.Run().Execution.Workflow }

// Cancelled says whether the execution is to be cancelled.
func (ctx *WorkflowContext) Cancelled() bool { return ctx.thread.Cancelled() }

// Now is when the latest result came in; the same at each replay.
func (ctx *WorkflowContext) Now() time.Time { return ctx.thread.Now() }

// Random is uniform in [0, 1); the same at each replay. Not for secrets.
func (ctx *WorkflowContext) Random() float64 { return ctx.thread.Random() }

// UUID is of version 4; the same at each replay.
func (ctx *WorkflowContext) UUID() string { return ctx.thread.UUID() }

// ContinueAsNew is what a workflow returns as its error to end here and go on as a new execution with an empty history.
func (ctx *WorkflowContext) ContinueAsNew(in any) error {
	input, err := workflow.Encode(in, "the input of the new execution")
	if err != nil {
		return err
	}
	return workflow.ContinueAsNew(input)
}

// WorkflowError is a failure that came through the platform: of a step, a function, a child, a callback. It is
// context.DeadlineExceeded when a time was over, and context.Canceled when the workflow is cancelled (errors.Is).
type WorkflowError = workflow.Error

// Retry says how often and when to try again. Its zero values are the defaults. An error of [Fatal], or one whose method
// `Retryable() bool` says false, is final at once.
type Retry struct {
	// Attempts, the first one included. Default: 5.
	Attempts int
	// Initial is the pause after the first failure. Default: one second.
	Initial time.Duration
	// Factor: each pause is this many times the one before. Default: 2.
	Factor float64
	// Max is the longest pause. Default: one minute.
	Max time.Duration
	// NoJitter: pauses are as long as said. By default they are drawn at random up to that, so that many do not come
	// back at once.
	NoJitter bool
}

// Once is one attempt.
var Once = Retry{Attempts: 1}

func (retry Retry) policy() (workflow.Retry, error) {
	policy := workflow.Retry{AttemptsMax: 5, FirstMS: 1_000, Factor: 2, MaxMS: 60_000, Jitter: !retry.NoJitter}
	if retry.Attempts < 0 || retry.Attempts > 1_000_000 || (retry.Factor != 0 && (retry.Factor < 1 || retry.Factor > 100)) ||
		retry.Initial < 0 || retry.Max < 0 {
		return policy, errors.New("lambent.Retry takes at most 1,000,000 attempts, a factor from 1 to 100, and pauses of at least 0")
	}
	if retry.Attempts > 0 {
		policy.AttemptsMax = retry.Attempts
	}
	if retry.Initial > 0 {
		policy.FirstMS = float64(retry.Initial.Milliseconds())
	}
	if retry.Factor > 0 {
		policy.Factor = retry.Factor
	}
	if retry.Max > 0 {
		policy.MaxMS = float64(retry.Max.Milliseconds())
	}
	return policy, nil
}

// Fatal makes an error of a step, a workflow or a function final: nothing tries it again.
func Fatal(err error) error { return instance.Final(err) }

// StepInfo is what the code of a step may want to know.
type StepInfo = workflow.StepInfo

// StepOf finds the step that ctx belongs to.
func StepOf(ctx context.Context) (StepInfo, bool) { return workflow.StepOf(ctx) }

// StepOptions of [Step] and of ctx.Compensate.
type StepOptions struct {
	Retry Retry
	// Timeout is the longest one attempt may take. Default: none.
	Timeout time.Duration
}

// Step runs code and records its result, which must be JSON of at most 64 MiB. The code's context is cancelled when the
// step is no longer wanted: the workflow was cancelled, or its time is over.
func Step[Out any](ctx *WorkflowContext, name string, run func(ctx context.Context) (Out, error), options ...StepOptions) (Out, error) {
	var out Out
	retry, body, err := stepOf(name, options, func(ctx context.Context) (any, error) { return run(ctx) })
	if err != nil {
		return out, err
	}
	payload, err := ctx.thread.Step(retry, body)
	if err != nil {
		return out, err
	}
	return out, workflow.Decode(payload, &out, "the result of step "+name)
}

func stepOf(name string, options []StepOptions, run func(context.Context) (any, error)) (workflow.Retry, *workflow.StepBody, error) {
	chosen := first(options)
	retry, err := chosen.Retry.policy()
	return retry, &workflow.StepBody{Name: name, Timeout: chosen.Timeout, Run: func(ctx context.Context) (workflow.Payload, error) {
		value, err := run(ctx)
		if err != nil {
			return workflow.Payload{}, finalOf(err)
		}
		return workflow.Encode(value, "the result of step "+name)
	}}, err
}

// finalOf keeps what the platform said of a call: whether the same can succeed later.
func finalOf(err error) error {
	var failed *CallError
	if errors.As(err, &failed) && !failed.Retryable && failed.Code != "E_FUNCTION_ERROR" {
		return Fatal(err)
	}
	return err
}

// first gives the options, if there are any.
func first[Options any](given []Options) Options {
	var none Options
	if len(given) == 0 {
		return none
	}
	return given[0]
}

// CallOptions of [CallFunction].
type CallOptions struct {
	Retry Retry
	// Timeout is the longest all attempts together may take. Default: none.
	Timeout time.Duration
}

// CallFunction calls a function of the deployment that the execution began with, durably: its result is recorded.
// (Within a step, [Invoke] calls functions as it does everywhere else.)
func CallFunction[Out any](ctx *WorkflowContext, function string, in any, options ...CallOptions) (Out, error) {
	var out Out
	chosen := first(options)
	retry, err := chosen.Retry.policy()
	if err != nil {
		return out, err
	}
	input, err := workflow.Encode(in, "the input of "+function)
	if err != nil {
		return out, err
	}
	payload, err := ctx.thread.Call(function, input, retry, chosen.Timeout)
	if err != nil {
		return out, err
	}
	return out, workflow.Decode(payload, &out, "the result of "+function)
}

// Sleep waits without a process.
func (ctx *WorkflowContext) Sleep(d time.Duration) error { return ctx.thread.Sleep(d) }

// SleepUntil waits until a moment.
func (ctx *WorkflowContext) SleepUntil(moment time.Time) error { return ctx.thread.SleepUntil(moment) }

// Compensate says how to undo what was done so far: when the workflow fails or is cancelled, everything said is done, the
// last first, each as a step.
func (ctx *WorkflowContext) Compensate(name string, undo func(ctx context.Context) error, options ...StepOptions) {
	retry, body, err := stepOf(name, options, func(ctx context.Context) (any, error) { return nil, undo(ctx) })
	if err != nil {
		panic(err)
	}
	ctx.thread.Compensate(retry, body)
}
