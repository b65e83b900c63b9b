package instance

import (
	"context"
	"sync"
	"time"
)

type invocationKey struct{}

// callContext is the context of one call. The platform watches over the deadline and cancels; no timer runs here.
// What it is done by comes from the embedded context, so that contexts derived from it need no goroutine.
type callContext struct {
	context.Context
	inv *Invocation
}

// Deadline is when the platform stops the call. A connection that switched protocols has none.
func (c *callContext) Deadline() (time.Time, bool) {
	c.inv.mu.Lock()
	defer c.inv.mu.Unlock()
	return c.inv.Info.Deadline, !c.inv.upgraded
}

func (c *callContext) Value(key any) any {
	if key == (invocationKey{}) {
		return c.inv
	}
	return c.Context.Value(key)
}

// FromContext finds the call that a context belongs to.
func FromContext(ctx context.Context) (*Invocation, bool) {
	inv, ok := ctx.Value(invocationKey{}).(*Invocation)
	return inv, ok
}

// never is the Done channel of every expiry; what waits for one registers with AfterFunc.
var never = make(chan struct{})

// expiry is the context that a call's context comes from: only so are all that derive from it done by
// context.DeadlineExceeded when the platform says that the time is over, and by context.Canceled otherwise.
type expiry struct {
	mu       sync.Mutex
	over     bool
	onExpire func()
}

func (e *expiry) Deadline() (time.Time, bool) { return time.Time{}, false }
func (e *expiry) Done() <-chan struct{}       { return never }
func (e *expiry) Value(any) any               { return nil }

func (e *expiry) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return context.DeadlineExceeded
	}
	return nil
}

// AfterFunc is how package context asks to be told, without a goroutine that waits. The one context that comes from
// this one directly asks once.
func (e *expiry) AfterFunc(tell func()) (stop func() bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onExpire = tell
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		waiting := e.onExpire != nil
		e.onExpire = nil
		return waiting
	}
}

func (e *expiry) expire() {
	e.mu.Lock()
	tell := e.onExpire
	e.over, e.onExpire = true, nil
	e.mu.Unlock()
	if tell != nil {
		tell()
	}
}
