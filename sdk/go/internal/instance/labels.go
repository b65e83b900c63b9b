package instance

import (
	"context"
	"runtime/pprof"
	"unsafe"
)

// labelPointer identifies the profiler labels of a goroutine. Goroutines inherit them from the one that started
// them, which makes them the one thing in Go that follows a call wherever its work goes.
type labelPointer = unsafe.Pointer

// Go's runtime keeps this name for programs that need it: see "hall of shame" in runtime/proflabel.go.
//
//go:linkname goroutineLabels runtime/pprof.runtime_getProfLabel
func goroutineLabels() unsafe.Pointer

// Labelled runs work as part of a call: what it and its goroutines log belongs to the call.
func (r *Runtime) Labelled(inv *Invocation, work func()) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("invocation", inv.Info.RequestID)))
	label := goroutineLabels()
	r.mu.Lock()
	r.labels[label] = inv
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.labels, label)
		r.mu.Unlock()
	}()
	work()
}

// Label is that of the running goroutine.
func Label() unsafe.Pointer { return goroutineLabels() }

// running finds the call that this goroutine works for; nil when it is not known.
func (r *Runtime) running() *Invocation {
	label := goroutineLabels()
	r.mu.Lock()
	inv := r.labels[label]
	r.mu.Unlock()
	if label != nil && inv != nil {
		return inv
	}
	return r.only()
}
