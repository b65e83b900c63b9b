package instance

import (
	"context"
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
