package workflow

import (
	"runtime"

	"lambent.dev/go/internal/instance"
)

// Thread is one strand of a workflow: its main function, a branch, the handler of an update. Each is a goroutine, and
// one of them runs at a time: the others wait to be woken, in an order that follows from the recorded inputs alone.
type Thread struct {
	run    *Run
	branch *branch
	wake   chan struct{}
	// dropped is closed when it goes on elsewhere; ended when its goroutine has.
	dropped, ended chan struct{}
	gone           bool
}

// branch is a part of the work that can be given up as a whole.
type branch struct {
	parent *branch
	scope  int
	// item is which one of a map or parallel it is; nil: of none.
	item    *int
	givenUp *Error
}

func (b *branch) isWithin(outer *branch) bool {
	for each := b; each != nil; each = each.parent {
		if each == outer {
			return true
		}
	}
	return false
}

// spawn makes a thread that begins when its turn comes.
func (r *Run) spawn(in *branch, body func(*Thread)) {
	t := &Thread{run: r, branch: in, wake: make(chan struct{}), dropped: make(chan struct{}), ended: make(chan struct{})}
	r.threads = append(r.threads, t)
	r.ready = append(r.ready, t)
	go func() {
		defer t.leave()
		t.sleep()
		body(t)
	}()
}

// sleep waits to be woken. The goroutine of one that is dropped ends here; what it deferred runs.
func (t *Thread) sleep() {
	select {
	case <-t.wake:
	case <-t.dropped:
		runtime.Goexit()
	}
}

// park hands on until somebody makes the thread ready.
func (t *Thread) park() {
	t.run.yielded <- struct{}{}
	t.sleep()
}

func (t *Thread) leave() {
	close(t.ended)
	if !t.run.isOver() {
		t.gone = true
		t.run.yielded <- struct{}{}
	}
}

func (r *Run) makeReady(threads []*Thread) {
	r.ready = append(r.ready, threads...)
}

// runReady goes on until every thread waits.
func (r *Run) runReady() {
	for len(r.ready) > 0 {
		t := r.ready[0]
		r.ready = r.ready[1:]
		if t.gone {
			continue
		}
		r.current.Store(t)
		t.wake <- struct{}{}
		<-r.yielded
	}
	r.current.Store(nil)
	alive := r.threads[:0]
	for _, t := range r.threads {
		if !t.gone {
			alive = append(alive, t)
		}
	}
	r.threads = alive
}

// drop ends all threads, one after the other.
func (r *Run) drop() {
	threads := r.threads
	go func() {
		for _, t := range threads {
			close(t.dropped)
			<-t.ended
		}
	}()
}

// check refuses what is done outside of the thread: found at the first run, not at the replay after a crash.
func (t *Thread) check(what string) *Error {
	if t.run.isOver() {
		runtime.Goexit()
	}
	if t.run.current.Load() == t && instance.Label() == t.run.label {
		return nil
	}
	return misuse("E_NON_DETERMINISTIC",
		"%s was begun outside of its own thread: inside a step, in a goroutine of the program's own, or with the ctx of another branch. A step is one unit: use the workflow's operations beside it; in a branch, use the ctx that it is given.", what)
}
