package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"lambent.dev/go/internal/instance"
)

// Run is one execution of a workflow while it is hot in this process.
type Run struct {
	Execution   Execution
	CallbackURL string

	inv    *instance.Invocation
	label  unsafe.Pointer
	steps  *stepRunner
	submit func(any)

	// mu is held for a turn: what comes in from the platform and from steps takes turns.
	mu sync.Mutex

	current atomic.Pointer[Thread]
	threads []*Thread
	ready   []*Thread
	yielded chan struct{}
	over    atomic.Bool

	mailbox    mailbox
	open       map[int]*operation
	conditions []*wait
	waits      []*wait
	acts       []act
	lastOp     int
	timeMS     float64
	seed       string
	chance     *chance
	cancelled  *Error
	check      *replayCheck
	divergence *Error

	compensations []compensation
}

// operation is one that has begun and not ended.
type operation struct {
	op      int
	task    *Task
	branch  *branch
	body    *StepBody
	waiting []*Thread
	isDone  bool
	output  Payload
	err     *Error
}

// wait is for something of this process: a condition, a signal.
type wait struct {
	holds   func() bool
	thread  *Thread
	isDone  bool
	payload Payload
	err     *Error
}

type compensation struct {
	task *Task
	body *StepBody
	at   string
}

// Main is the author's function.
type Main func(t *Thread, input Payload) (Payload, error)

func newRun(opening *message, inv *instance.Invocation, submit func(any)) *Run {
	r := &Run{
		Execution: opening.Record, CallbackURL: opening.CallbackURL, inv: inv, label: instance.Label(), submit: submit,
		yielded: make(chan struct{}), open: map[int]*operation{},
	}
	r.mailbox = newMailbox(r)
	r.steps = &stepRunner{inv: inv, done: r.stepDone, failed: r.stepFailed, running: map[int]*runningStep{}}
	return r
}

func (r *Run) isOver() bool { return r.over.Load() }

// ---- From the platform.

// start replays the journal through the function, then says what it does next.
func (r *Run) start(history []entry, main Main) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seed, r.timeMS = history[0].Seed, history[0].AtMS
	r.chance = newChance(r.seed)
	r.check = newReplayCheck(r.Execution, history)
	r.inv.Mute(len(history) > 1)
	r.spawn(nil, func(t *Thread) { r.runMain(t, main, history[0].Input) })
	r.goOn()
	for {
		recorded, divergence := r.check.next(r.lastOp)
		if divergence != nil {
			r.diverge(divergence)
			return
		}
		if recorded == nil {
			break
		}
		r.take(recorded)
		r.goOn()
	}
	r.check = nil
	r.inv.Mute(false)
	r.flush(true)
}

func (r *Run) offer(from *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range from.Offers {
		offered := &from.Offers[i]
		if r.isOver() {
			return
		}
		r.acts = append(r.acts, act{Kind: "took", Offer: offered.Offer})
		offered.Input.AtMS = offered.AtMS
		r.take(&offered.Input)
		r.goOn()
	}
	r.flush(false)
}

// committed says that what these operations are about may begin.
func (r *Run) committed(ops []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range ops {
		r.attempt(op, 1)
	}
}

func (r *Run) query(name string, input Payload) (given result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		if thrown := recover(); thrown != nil {
			given = result{Error: failureOfPanic(thrown)}
		}
	}()
	if r.divergence != nil {
		return result{Error: r.divergence.failure()}
	}
	output, err := r.mailbox.answer(name, input)
	if err != nil {
		return result{Error: failureOf(err)}
	}
	return result{Output: &output}
}

// close ends it here: nothing that happens from now on counts.
func (r *Run) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeLocked()
}

func (r *Run) closeLocked() {
	if r.over.Swap(true) {
		return
	}
	r.steps.abortAll(cancelledError("the execution was taken away from this process"))
	r.inv.Mute(true)
	r.drop()
}

// ---- The author's function.

func (r *Run) runMain(t *Thread, main Main, input Payload) {
	var output Payload
	err := contained(func() (err error) {
		output, err = main(t, input)
		return err
	})
	if err == nil {
		r.end(outcome{Status: "succeeded", Output: &output})
		return
	}
	var again *continued
	if errors.As(err, &again) {
		none := ""
		r.end(outcome{Status: "continued", Execution: &none, Input: &again.input})
		return
	}
	failure := failureOf(err)
	ended := outcome{Status: "failed", Error: failure}
	if r.cancelled != nil && failure.Code == "E_EXECUTION_CANCELLED" {
		ended = outcome{Status: "cancelled", Error: r.cancelled.failure()}
	}
	if failed := t.compensateAll(); failed != nil {
		failure.ErrorMessage = fmt.Sprintf("%s; and its compensation failed: %v", failure.ErrorMessage, failed)
		ended = outcome{Status: "failed", Error: failure}
	}
	r.end(ended)
}

// panicked is a panic of the author's code, as an error.
type panicked struct{ failure *Failure }

func (p *panicked) Error() string { return p.failure.ErrorMessage }

// Unwrap gives it as the platform's own.
func (p *panicked) Unwrap() error { return p.failure }

// contained runs the author's code; a panic is an error of it.
func contained(work func() error) (err error) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case *Error:
			// What the module itself panicked with, where its functions have no error to return.
			err = thrown
		default:
			err = &panicked{failureOfPanic(thrown)}
		}
	}()
	return work()
}

// end says how the execution ended.
func (r *Run) end(how outcome) {
	r.act(act{Kind: "end", Outcome: &how})
	r.steps.abortAll(cancelledError("the workflow has ended"))
}

// breakOff ends it with the failure of code that runs between the turns of its threads: a signal's handler, a condition.
func (r *Run) breakOff(err error) { r.end(outcome{Status: "failed", Error: failureOf(err)}) }

func (r *Run) act(done act) {
	if r.check == nil || !r.check.repeats(&done) {
		r.acts = append(r.acts, done)
	}
}

// ---- Turns. With the lock held.

// goOn lets the threads go on as far as they can.
func (r *Run) goOn() {
	for {
		r.runReady()
		served := false
		for _, each := range r.conditions {
			if each.isDone || !r.holds(each) {
				continue
			}
			each.isDone, served = true, true
			r.makeReady([]*Thread{each.thread})
		}
		if !served {
			return
		}
	}
}

func (r *Run) holds(each *wait) (held bool) {
	if err := contained(func() error { held = each.holds(); return nil }); err != nil {
		r.breakOff(err)
	}
	return held
}

func (r *Run) flush(always bool) {
	if r.isOver() || (len(r.acts) == 0 && !always) {
		return
	}
	acts := r.acts
	if acts == nil {
		acts = []act{}
	}
	r.acts = nil
	r.submit(submit{Kind: "submit", Acts: acts})
}

// take lets the function see an input, offered or recorded.
func (r *Run) take(input *entry) {
	if input.AtMS > r.timeMS {
		r.timeMS = input.AtMS
	}
	switch input.Kind {
	case "attempt":
		r.attempt(input.Op, input.Attempt)
	case "completed":
		r.settle(input.Op, input.Output, nil)
	case "failed":
		r.steps.abort(input.Op, nil)
		r.settle(input.Op, null, errorOf(input.Error))
	case "signal", "signalled":
		if err := contained(func() error { return r.mailbox.receive(input.Name, input.Input, input.Update) }); err != nil {
			r.breakOff(err)
		}
	case "cancel", "cancelRequested":
		r.cancelAll(input.Reason)
	}
}

func (r *Run) attempt(op, attempt int) {
	if opened := r.open[op]; opened != nil && opened.body != nil && !r.isOver() {
		r.steps.run(op, attempt, opened.body, fmt.Sprintf("%s/%d", r.Execution.ID, op))
	}
}

func (r *Run) settle(op int, output Payload, err *Error) {
	opened := r.open[op]
	if opened == nil {
		return
	}
	delete(r.open, op)
	opened.isDone, opened.output, opened.err = true, output, err
	r.makeReady(opened.waiting)
}

// cancelAll ends all that is awaited now; what the function does then, compensation above all, runs as usual.
func (r *Run) cancelAll(reason string) {
	if r.cancelled != nil {
		return
	}
	r.cancelled = cancelledError(reason)
	for _, op := range r.openInOrder() {
		r.giveUp(op, r.cancelled)
	}
	for _, each := range append(append([]*wait{}, r.conditions...), r.waits...) {
		if !each.isDone {
			each.isDone, each.err = true, r.cancelled
			r.makeReady([]*Thread{each.thread})
		}
	}
}

func (r *Run) openInOrder() []int {
	ops := make([]int, 0, len(r.open))
	for op := 1; op <= r.lastOp && len(ops) < len(r.open); op++ {
		if r.open[op] != nil {
			ops = append(ops, op)
		}
	}
	return ops
}

func (r *Run) giveUp(op int, why *Error) {
	if r.open[op] == nil || r.isOver() {
		return
	}
	r.steps.abort(op, why)
	r.act(act{Kind: "close", Op: op})
	r.settle(op, null, why)
}

func (r *Run) giveUpBranch(given *branch, why *Error) {
	given.givenUp = why
	for _, op := range r.openInOrder() {
		if r.open[op].branch.isWithin(given) {
			r.giveUp(op, why)
		}
	}
}

func (r *Run) stepDone(op int, output Payload, atMS float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOver() || r.open[op] == nil {
		return
	}
	if atMS > r.timeMS {
		r.timeMS = atMS
	}
	r.acts = append(r.acts, act{Kind: "complete", Op: op, Output: &output, AtMS: r.timeMS})
	r.settle(op, output, nil)
	r.goOn()
	r.flush(false)
}

func (r *Run) stepFailed(op int, failure *Failure, retryable bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOver() || r.open[op] == nil {
		return
	}
	r.acts = append(r.acts, act{Kind: "fail", Op: op, Error: failure, Retryable: &retryable})
	r.flush(false)
}

func (r *Run) diverge(divergence *Error) {
	r.check, r.divergence = nil, divergence
	r.acts = []act{{Kind: "end", Outcome: &outcome{Status: "failed", Error: divergence.failure()}}}
	r.flush(true)
	r.closeLocked()
}

// continued ends the function where it stands.
type continued struct{ input Payload }

func (c *continued) Error() string { return "the workflow goes on as a new execution" }

var emptyMatch = json.RawMessage("{}")
