package workflow

import "fmt"

// replayCheck holds a replay against its journal. Operations are numbered in the order in which the function opens
// them, so that before each recorded input it must have opened exactly as many as it had then, and each must be the
// same.
type replayCheck struct {
	execution Execution
	history   []entry
	opened    map[int]*entry
	// ownEnds are operations whose end the function itself brought about.
	ownEnds  map[int]bool
	answered map[string]bool
	ended    bool
	// openedSoFar are operations recorded before the place that the replay has come to.
	openedSoFar int
	at          int
	divergence  *Error
	extra       *entry
}

func newReplayCheck(execution Execution, history []entry) *replayCheck {
	c := &replayCheck{
		execution: execution, history: history, at: 1,
		opened: map[int]*entry{}, ownEnds: map[int]bool{}, answered: map[string]bool{},
	}
	for i := range history {
		each := &history[i]
		switch {
		case each.Kind == "opened":
			c.opened[each.Op] = each
		case each.Kind == "closed" || (each.Kind == "completed" && c.isScope(each.Op)):
			c.ownEnds[each.Op] = true
		case each.Kind == "answered":
			c.answered[each.Update] = true
		case each.Kind == "ended":
			c.ended = true
		}
	}
	return c
}

// opens notes that the function opens an operation. False: it is a new one, beyond the journal.
func (c *replayCheck) opens(op int, task *Task, at string) bool {
	recorded := c.opened[op]
	if recorded == nil {
		if c.extra == nil {
			c.extra = &entry{Task: *task, At: at}
		}
		return false
	}
	if signatureOf(&recorded.Task) != signatureOf(task) && c.divergence == nil {
		c.divergence = c.explain(op, "its history has %s, but the code began %s", named(recorded), named(&entry{Task: *task, At: at}))
	}
	return true
}

func (c *replayCheck) repeats(done *act) bool {
	switch done.Kind {
	case "end":
		return c.ended
	case "answer":
		return c.answered[done.Update]
	}
	return c.ownEnds[done.Op]
}

// next is the next recorded input, or nil when there is none; an error where the function went another way.
func (c *replayCheck) next(lastOp int) (*entry, *Error) {
	if c.divergence != nil {
		return nil, c.divergence
	}
	for ; c.at < len(c.history) && !c.isInput(&c.history[c.at]); c.at++ {
		if c.history[c.at].Kind == "opened" {
			c.openedSoFar = c.history[c.at].Op
		}
	}
	if lastOp < c.openedSoFar {
		missing := c.opened[lastOp+1]
		return nil, c.explain(lastOp+1, "its history has %s, but the code did not begin it", named(missing))
	}
	if c.at >= len(c.history) {
		return nil, nil
	}
	if lastOp > c.openedSoFar {
		return nil, c.early()
	}
	c.at++
	return &c.history[c.at-1], nil
}

func (c *replayCheck) isInput(each *entry) bool {
	switch each.Kind {
	case "completed":
		return !c.isScope(each.Op)
	case "failed", "signalled", "cancelRequested":
		return true
	}
	return false
}

func (c *replayCheck) isScope(op int) bool {
	return c.opened[op] != nil && c.opened[op].Task.Kind == "scope"
}

func (c *replayCheck) early() *Error {
	op := c.openedSoFar + 1
	if recorded := c.opened[op]; recorded != nil {
		return c.explain(op, "the code began %s sooner than its history has it", named(recorded))
	}
	return c.explain(op, "the code began %s, which is not in its history", named(c.extra))
}

func (c *replayCheck) explain(op int, format string, values ...any) *Error {
	return misuse("E_NON_DETERMINISTIC",
		"execution %s of workflow %s went another way at its replay, at operation %d: %s. Between its operations a workflow must do the same each time: put what differs (time, chance, environment, I/O, the order of a map) into a step, or use ctx.Now, ctx.Random and ctx.UUID.",
		c.execution.ID, c.execution.Workflow, op, fmt.Sprintf(format, values...))
}

func named(opened *entry) string {
	if opened == nil {
		return "an operation"
	}
	if opened.At == "" {
		return nameOf(&opened.Task)
	}
	return nameOf(&opened.Task) + " (" + opened.At + ")"
}

// nameOf is an operation in words.
func nameOf(task *Task) string {
	switch task.Kind {
	case "call":
		return "the call of " + task.Function
	case "event":
		return "the wait for event " + task.Event
	case "child":
		return "child workflow " + task.Workflow
	case "scope":
		return task.Form + " " + task.Name
	case "step":
		return fmt.Sprintf("step %q", task.Name)
	case "resource":
		return task.Resource
	}
	if task.Name == "" {
		return "a " + task.Kind
	}
	return task.Kind + " " + task.Name
}

// signatureOf is what must be the same at each replay. Inputs may differ in what does not matter to the order of things.
func signatureOf(task *Task) string {
	switch task.Kind {
	case "step":
		return "step " + task.Name
	case "call":
		return "call " + task.Function
	case "event":
		return "event " + task.Event
	case "child":
		return fmt.Sprintf("child %s %v", task.Workflow, task.Waits != nil && *task.Waits)
	case "signal":
		return "signal " + task.Name + " " + task.Execution
	case "scope":
		return "scope " + task.Form + " " + task.Name
	}
	return task.Kind
}
