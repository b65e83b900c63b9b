package workflow

import (
	"encoding/json"
	"time"

	"lambent.dev/go/internal/instance"
)

// When says until when an operation may take.
type When struct {
	// In is how long; 0: for ever.
	In time.Duration
	// At is a moment, in epoch milliseconds; 0: none.
	AtMS float64
}

// begin opens an operation.
func (t *Thread) begin(task *Task, when When, body *StepBody, at string) (*operation, *Error) {
	if err := t.check(nameOf(task)); err != nil {
		return nil, err
	}
	r := t.run
	for each := t.branch; each != nil; each = each.parent {
		if each.givenUp != nil {
			return nil, each.givenUp
		}
	}
	r.lastOp++
	opened := &operation{op: r.lastOp, task: task, branch: t.branch, body: body}
	r.open[opened.op] = opened
	done := act{Kind: "open", Op: opened.op, Task: task, At: at}
	if t.branch != nil {
		done.Scope, done.Item = t.branch.scope, t.branch.item
	}
	if when.In > 0 {
		ms := milliseconds(when.In)
		done.DueInMS = &ms
	}
	if when.AtMS > 0 {
		done.DueMS = &when.AtMS
	}
	if r.check == nil || !r.check.opens(opened.op, task, at) {
		r.acts = append(r.acts, done)
	}
	return opened, nil
}

// await waits for the end of an operation.
func (t *Thread) await(opened *operation) (Payload, error) {
	if err := t.check("the wait for " + nameOf(opened.task)); err != nil {
		return null, err
	}
	for !opened.isDone {
		opened.waiting = append(opened.waiting, t)
		t.park()
	}
	if opened.err != nil {
		return null, opened.err
	}
	return opened.output, nil
}

// do opens an operation and waits for its end.
func (t *Thread) do(task *Task, when When, body *StepBody, at string) (Payload, error) {
	opened, err := t.begin(task, when, body, at)
	if err != nil {
		return null, err
	}
	return t.await(opened)
}

func milliseconds(d time.Duration) float64 {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return float64(ms)
}

// Step runs code and records its result.
func (t *Thread) Step(retry Retry, body *StepBody) (Payload, error) {
	if err := checkName(body.Name); err != nil {
		return null, err
	}
	return t.do(stepTask(retry, body), When{}, body, instance.CallSite())
}

func stepTask(retry Retry, body *StepBody) *Task {
	task := &Task{Kind: "step", Name: body.Name, Retry: &retry}
	if body.Timeout > 0 {
		task.TimeoutMS = milliseconds(body.Timeout)
	}
	return task
}

// Call calls a function of the app.
func (t *Thread) Call(function string, input Payload, retry Retry, timeout time.Duration) (Payload, error) {
	task := &Task{Kind: "call", Function: function, Input: &input, Retry: &retry}
	return t.do(task, When{In: timeout}, nil, instance.CallSite())
}

// Sleep waits without a process.
func (t *Thread) Sleep(d time.Duration) error {
	return t.sleepUntil(t.run.timeMS+milliseconds(d), instance.CallSite())
}

// SleepUntil waits until a moment.
func (t *Thread) SleepUntil(moment time.Time) error {
	return t.sleepUntil(float64(moment.UnixMilli()), instance.CallSite())
}

func (t *Thread) sleepUntil(ms float64, at string) error {
	_, err := t.do(&Task{Kind: "sleep"}, When{AtMS: ms}, nil, at)
	return err
}

// WaitForEvent waits for an event of the bus.
func (t *Thread) WaitForEvent(event string, match json.RawMessage, timeout time.Duration) (Payload, error) {
	if err := checkName(event); err != nil {
		return null, err
	}
	if match == nil {
		match = emptyMatch
	}
	return t.do(&Task{Kind: "event", Event: event, Match: match}, When{In: timeout}, nil, instance.CallSite())
}

// Pending is an operation under way.
type Pending struct {
	opened *operation
	err    *Error
}

// Result waits for its end.
func (p *Pending) Result(t *Thread) (Payload, error) {
	if p.err != nil {
		return null, p.err
	}
	return t.await(p.opened)
}

// Callback asks the world outside; it gives the token that answers.
func (t *Thread) Callback(name string, timeout time.Duration) (token string, pending *Pending) {
	none := ""
	opened, err := t.begin(&Task{Kind: "callback", Name: name, Token: &none}, When{In: timeout}, nil, instance.CallSite())
	if err != nil {
		return "", &Pending{err: err}
	}
	return callbackToken(t.run.Execution.ID, opened.op, t.run.seed), &Pending{opened: opened}
}

// Child begins another workflow. waits: its end is the operation's.
func (t *Thread) Child(workflow string, input Payload, waits bool, timeout time.Duration) (id string, pending *Pending) {
	id = childExecutionID(t.run.lastOp+1, t.run.timeMS, t.run.seed)
	task := &Task{Kind: "child", Workflow: workflow, Input: &input, Execution: id, Waits: &waits}
	opened, err := t.begin(task, When{In: timeout}, nil, instance.CallSite())
	return id, &Pending{opened, err}
}

// Send sends a signal to another execution.
func (t *Thread) Send(execution, signal string, input Payload) error {
	if err := checkName(signal); err != nil {
		return err
	}
	_, err := t.do(&Task{Kind: "signal", Execution: execution, Name: signal, Input: &input}, When{}, nil, instance.CallSite())
	return err
}

// Race runs tasks, some at once. With more failures than are tolerated the rest is given up. It waits for all; the
// error is the first one that was too many.
func (t *Thread) Race(form, name string, count, concurrency, tolerate int, work func(t *Thread, place int) error) ([]error, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	scope, failed := t.begin(&Task{Kind: "scope", Form: form, Name: name}, When{}, nil, instance.CallSite())
	if failed != nil {
		return nil, failed
	}
	whole := &branch{parent: t.branch, scope: scope.op}
	errs := make([]error, count)
	var first error
	next, failures, left := 0, 0, concurrency
	if left > count {
		left = count
	}
	ended := &wait{thread: t, isDone: left == 0}
	worker := func(own *Thread) {
		for next < count && whole.givenUp == nil {
			place := next
			next++
			own.branch = &branch{parent: whole, scope: scope.op, item: &place}
			errs[place] = contained(func() error { return work(own, place) })
			if errs[place] == nil {
				continue
			}
			failures++
			if failures > tolerate && whole.givenUp == nil {
				first = errs[place]
				t.run.giveUpBranch(whole, cancelledError("another branch failed"))
			}
		}
		left--
		if left == 0 {
			ended.isDone = true
			t.run.makeReady([]*Thread{t})
		}
	}
	for i := left; i > 0; i-- {
		t.run.spawn(whole, worker)
	}
	for !ended.isDone {
		t.park()
	}
	t.run.completeScope(scope.op)
	return errs, first
}

// completeScope ends an operation that is this process's own. A cancellation may have ended it before.
func (r *Run) completeScope(op int) {
	if r.open[op] == nil || r.isOver() {
		return
	}
	delete(r.open, op)
	r.act(act{Kind: "complete", Op: op, Output: &null, AtMS: r.timeMS})
}

// Go runs work beside the thread.
func (t *Thread) Go(work func(*Thread)) error {
	if err := t.check("a thread"); err != nil {
		return err
	}
	t.run.spawn(t.branch, func(own *Thread) {
		if err := contained(func() error { work(own); return nil }); err != nil {
			t.run.breakOff(err)
		}
	})
	return nil
}

// Until waits for the workflow's own variables. False: the time is over.
func (t *Thread) Until(holds func() bool, timeout time.Duration) (bool, error) {
	if err := t.check("a condition"); err != nil {
		return false, err
	}
	waiting := &wait{holds: holds, thread: t, isDone: holds()}
	t.run.conditions = append(t.run.conditions, waiting)
	defer func() { t.run.conditions = without(t.run.conditions, waiting) }()
	return t.within(waiting, timeout)
}

// within waits for something of this process, with a recorded limit.
func (t *Thread) within(waiting *wait, timeout time.Duration) (bool, error) {
	r := t.run
	if timeout > 0 {
		timer, err := t.begin(&Task{Kind: "sleep"}, When{AtMS: r.timeMS + milliseconds(timeout)}, nil, instance.CallSite())
		if err != nil {
			return false, err
		}
		defer func() {
			timer.waiting = nil
			r.giveUp(timer.op, cancelledError("no longer needed"))
		}()
		for !waiting.isDone && !timer.isDone {
			timer.waiting = []*Thread{t}
			t.park()
		}
		if !waiting.isDone && timer.err != nil {
			return false, timer.err
		}
	}
	for !waiting.isDone && timeout <= 0 {
		t.park()
	}
	if waiting.err != nil {
		return false, waiting.err
	}
	return waiting.isDone, nil
}

// Compensate says how to undo what was done so far.
func (t *Thread) Compensate(retry Retry, body *StepBody) {
	undo := *body
	undo.Name = "compensate " + body.Name
	if len(undo.Name) > nameBytesMax {
		undo.Name = undo.Name[:nameBytesMax]
	}
	t.run.compensations = append(t.run.compensations, compensation{stepTask(retry, &undo), &undo, instance.CallSite()})
}

// compensateAll undoes what was done, the last first.
func (t *Thread) compensateAll() error {
	r := t.run
	for len(r.compensations) > 0 {
		last := r.compensations[len(r.compensations)-1]
		r.compensations = r.compensations[:len(r.compensations)-1]
		if _, err := t.do(last.task, When{}, last.body, last.at); err != nil {
			return err
		}
	}
	return nil
}

// Run is the execution that the thread belongs to.
func (t *Thread) Run() *Run { return t.run }

// Now is when the latest result came in.
func (t *Thread) Now() time.Time { return time.UnixMilli(int64(t.run.timeMS)).UTC() }

// Random is uniform in [0, 1).
func (t *Thread) Random() float64 { return t.run.chance.fraction() }

// UUID is of version 4.
func (t *Thread) UUID() string { return t.run.chance.uuid() }

// Cancelled says whether the execution is to be cancelled.
func (t *Thread) Cancelled() bool { return t.run.cancelled != nil }

// ContinueAsNew is what the function returns to go on as a new execution.
func ContinueAsNew(input Payload) error { return &continued{input} }

const nameBytesMax = 256

func checkName(name string) error {
	if name == "" || len(name) > nameBytesMax {
		return misuse("E_BAD_REQUEST", "a name has 1 to 256 characters; this one is %.300q", name)
	}
	return nil
}

func without(waits []*wait, gone *wait) []*wait {
	left := waits[:0]
	for _, each := range waits {
		if each != gone {
			left = append(left, each)
		}
	}
	return left
}
