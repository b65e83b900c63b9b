// Package instance is the side of the protocol that runs inside a Go function: it answers the invocations that come
// over descriptor 3, each in a goroutine of its own.
//
// It promises: a panic ends its own invocation and no other; bodies stream both ways with bounded memory; what the
// code logs belongs to the invocation that logged it, as far as Go lets one know; when the platform goes away, so
// does the process.
//
// Deliberately absent: any protection against the author's code, which runs in this same process. A panic in a
// goroutine that the author started, os.Exit and a fatal error of Go's runtime end the process: Go has no way to
// contain them.
package instance

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"lambent.dev/go/internal/boot"
)

const (
	channelFD = 3
	// statsPeriod is the shortest time between two STATS frames.
	statsPeriod = 250 * time.Millisecond
	// cleanUpMax is how long the author's clean-up may take.
	cleanUpMax = 2 * time.Second
	// heapShare of the function's memory is where Go's garbage collector begins to work harder.
	heapShare = 0.9
	// heapGrowthPercent, where GOGC says nothing: a server's live heap is a few megabytes, and collecting it each time
	// it has doubled takes more of a short call than the call. The limit above holds all the same.
	heapGrowthPercent = 400
	// idleMax goroutines wait for the next call.
	idleMax = 128
)

// Handler is how the author's code wants to be called.
type Handler struct {
	// Kind is one of the protocol's: `server` for net/http, `plain` for typed handlers, `lambda` for AWS's module,
	// `workflow` for durable workflows.
	Kind string
	// Concurrency is how many calls may run at once; 0: what is usual for the kind.
	Concurrency int
	// Serve answers one invocation. It runs in a goroutine of its own and may panic.
	Serve func(*Invocation)
}

// Runtime is this process as an instance.
type Runtime struct {
	channel *channel
	calls   *calls
	output  *output
	exit    func(code int)
	handler Handler
	boot    bootMessage

	// next hands a call to a goroutine that waits for one; idle counts those.
	next chan *Invocation
	idle atomic.Int32

	// resting is set while the process gets ready to rest; keptBytes is what it had when it last gave memory back.
	resting   atomic.Bool
	keptBytes int64

	mu         sync.Mutex
	open       map[uint32]*Invocation
	labels     map[labelPointer]*Invocation
	ending     int
	background int
	onIdle     chan struct{}
	hooks      []func()

	statsMu sync.Mutex
	statsAt time.Time
	peakKB  int64
}

// Here is the instance that this process is; nil when the platform did not start it.
var Here *Runtime

func init() {
	conn := inherited()
	if conn == nil {
		return
	}
	Here = newRuntime(conn, os.Exit)
	// One that cannot be read has protocol 0, and is refused once the code is there to be told.
	_ = json.Unmarshal(boot.Message, &Here.boot)
	if Here.boot.CodeDir != "" {
		_ = os.Chdir(Here.boot.CodeDir)
	}
}

func newRuntime(conn connection, exit func(code int)) *Runtime {
	r := &Runtime{exit: exit, next: make(chan *Invocation), open: map[uint32]*Invocation{}, labels: map[labelPointer]*Invocation{}}
	// Whatever still runs here: nobody is there to answer.
	r.channel = newChannel(conn, func() { r.exit(1) })
	r.calls = newCalls(r.channel)
	r.output = newOutput(r)
	return r
}

// Info of the function, from the message that started this instance. Its version is the one that other languages tell:
// the number of the deployment.
func (r *Runtime) Function() (app, name, version string, memoryMB int64) {
	version = os.Getenv("AWS_LAMBDA_FUNCTION_VERSION")
	if version == "" {
		version = r.boot.Version
	}
	return r.boot.App, r.boot.Function, version, r.boot.MemoryMB
}

// OneAtATime says whether a handler of the kind `lambda` has the process to itself during a call.
func (r *Runtime) OneAtATime() bool { return r.boot.Concurrency <= 1 }

// Run answers invocations until the platform ends the instance. It does not return.
func (r *Runtime) Run(handler Handler) {
	r.handler = handler
	r.output.capture()
	r.ready()
	// When the connection ends, the platform is gone.
	_ = r.channel.receive(r.onFrame)
	r.exit(1)
}

// Refuse says that the code cannot be called, and why, and ends the process.
func (r *Runtime) Refuse(failure *Failure) {
	r.output.report(Error, failure.ErrorType+": "+failure.ErrorMessage, nil)
	r.channel.send(frameBootFailed, 0, 0, encodeFailure(failure), nil)
	r.channel.settle()
	r.exit(1)
}

// OnShutdown adds clean-up for the end of the instance. The last one added runs first.
func (r *Runtime) OnShutdown(hook func()) {
	r.mu.Lock()
	r.hooks = append(r.hooks, hook)
	r.mu.Unlock()
}

func (r *Runtime) onFrame(kind, flags byte, stream uint32, payload []byte) {
	if stream == 0 {
		r.onInstanceFrame(kind)
		return
	}
	if stream&callStream != 0 {
		r.calls.onFrame(kind, flags, stream, payload)
		return
	}
	last := flags&flagFin != 0
	if kind == frameHTTPRequest || kind == frameEvent {
		r.start(stream, kind == frameHTTPRequest, payload, last)
		return
	}
	r.mu.Lock()
	inv := r.open[stream]
	r.mu.Unlock()
	if inv == nil {
		return
	}
	switch {
	case kind == frameBody:
		inv.receive(payload, last)
	case kind == frameTrailers:
		inv.receiveTrailers(payload)
	case kind == frameCredit && len(payload) == 4:
		inv.credit(int(binary.LittleEndian.Uint32(payload)))
	case kind == frameCancel && len(payload) >= 1:
		inv.onCancel(payload[0])
	}
}

func (r *Runtime) onInstanceFrame(kind byte) {
	switch kind {
	case framePing:
		r.channel.send(framePong, 0, 0, nil, nil)
	case frameRest:
		go r.rest()
	case frameDrain:
		go r.drain()
	}
}

// ready prepares the process and says that it is ready.
func (r *Runtime) ready() {
	if r.boot.Protocol != protocolVersion {
		message := fmt.Sprintf("the platform speaks protocol %d, this program %d: deploy it again", r.boot.Protocol, protocolVersion)
		r.Refuse(&Failure{Code: "E_BOOT_FAILED", ErrorType: "ProtocolError", ErrorMessage: message})
		return
	}
	if os.Getenv("GOMEMLIMIT") == "" && r.boot.MemoryMB > 0 {
		debug.SetMemoryLimit(int64(float64(r.boot.MemoryMB<<20) * heapShare))
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(heapGrowthPercent)
		}
	}
	ready, _ := json.Marshal(readyMessage{protocolVersion, r.handler.Kind, r.handler.Concurrency})
	r.channel.send(frameReady, 0, 0, ready, nil)
	r.reportMemory()
}

func (r *Runtime) start(stream uint32, isHTTP bool, payload []byte, last bool) {
	inv, err := newInvocation(r, stream, isHTTP, payload, last)
	if err != nil {
		// Not what the platform says: there is nothing to be understood any more.
		r.exit(1)
		return
	}
	r.mu.Lock()
	r.open[stream] = inv
	r.mu.Unlock()
	r.channel.sharing.Add(1)
	select {
	case r.next <- inv:
	default:
		go r.work(inv)
	}
}

// work answers a call, and then others: a goroutine whose stack has grown to what a handler needs is worth keeping, as
// those of net/http's connections are.
func (r *Runtime) work(inv *Invocation) {
	for {
		r.serve(inv)
		if r.idle.Add(1) > idleMax {
			r.idle.Add(-1)
			return
		}
		inv = <-r.next
		r.idle.Add(-1)
	}
}

func (r *Runtime) serve(inv *Invocation) {
	r.Labelled(inv, func() {
		defer func() {
			if thrown := recover(); thrown != nil {
				r.FailWithPanic(inv, thrown)
			}
		}()
		r.handler.Serve(inv)
	})
}

// forget takes a call out of those that run. Its last frame is about to leave: the platform may send the next call
// as soon as it has that, and the two must not seem to run at once.
func (r *Runtime) forget(inv *Invocation) {
	r.channel.sharing.Add(-1)
	r.mu.Lock()
	delete(r.open, inv.stream)
	r.ending++
	r.mu.Unlock()
}

// ended notes that the last frame of a forgotten call has left.
func (r *Runtime) ended() {
	r.mu.Lock()
	r.ending--
	r.mu.Unlock()
	r.checkIdle()
}

// only gives the call that runs, if exactly one does.
func (r *Runtime) only() *Invocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) != 1 {
		return nil
	}
	for _, inv := range r.open {
		return inv
	}
	return nil
}

// FailWithError ends a call with an error that the author's code returned.
func (r *Runtime) FailWithError(inv *Invocation, err error) {
	r.fail(inv, DescribeError(err))
}

// FailWith ends a call with a failure in the platform's terms.
func (r *Runtime) FailWith(inv *Invocation, failure *Failure) { r.fail(inv, failure) }

// FailWithPanic ends a call with what the author's code panicked with. Call it while the panic is being recovered.
func (r *Runtime) FailWithPanic(inv *Invocation, thrown any) {
	r.fail(inv, DescribePanic(thrown))
}

func (r *Runtime) fail(inv *Invocation, failure *Failure) {
	if inv.Cancelled() == nil {
		r.output.report(Error, failureText(failure), inv)
	}
	inv.Fail(failure)
}

// Warn logs a line of the platform's own about a call.
func (r *Runtime) Warn(inv *Invocation, text string) { r.output.report(Warn, text, inv) }

// Background runs work that may go on after the answer. Draining waits for it; a panic in it is logged.
func (r *Runtime) Background(inv *Invocation, work func()) {
	r.mu.Lock()
	r.background++
	r.mu.Unlock()
	go r.Labelled(inv, func() {
		defer func() {
			if thrown := recover(); thrown != nil {
				r.output.report(Error, failureText(DescribePanic(thrown)), inv)
			}
			r.mu.Lock()
			r.background--
			r.mu.Unlock()
			r.checkIdle()
		}()
		work()
	})
}

func (r *Runtime) checkIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.onIdle == nil || r.ending > 0 || r.background > 0 {
		return
	}
	for _, inv := range r.open {
		// One that ran out of time is over for the platform, whether or not its code ever returns.
		inv.mu.Lock()
		timedOut := inv.timedOut
		inv.mu.Unlock()
		if !timedOut {
			return
		}
	}
	close(r.onIdle)
	r.onIdle = nil
}

// isIdle tells whether nothing runs, and no work goes on after an answer.
func (r *Runtime) isIdle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open) == 0 && r.ending == 0 && r.background == 0
}

// drain finishes what runs, lets the author's code clean up, and ends.
func (r *Runtime) drain() {
	idle := make(chan struct{})
	r.mu.Lock()
	r.onIdle = idle
	hooks := r.hooks
	r.mu.Unlock()
	r.checkIdle()
	select {
	case <-idle:
	case <-time.After(time.Duration(r.boot.TimeoutMS) * time.Millisecond):
	}
	cleaned := make(chan struct{})
	go func() {
		defer close(cleaned)
		for i := len(hooks) - 1; i >= 0; i-- {
			hooks[i]()
		}
	}()
	select {
	case <-cleaned:
	case <-time.After(cleanUpMax):
	}
	r.output.settle()
	r.channel.settle()
	terminate()
	r.exit(0)
}

func (r *Runtime) reportMemory() {
	now := time.Now()
	r.statsMu.Lock()
	if now.Sub(r.statsAt) < statsPeriod {
		r.statsMu.Unlock()
		return
	}
	r.statsAt = now
	peakKB := peakMemoryKB()
	grown := peakKB > r.peakKB
	r.peakKB = peakKB
	r.statsMu.Unlock()
	if !grown {
		return
	}
	var payload [4]byte
	binary.LittleEndian.PutUint32(payload[:], uint32(peakKB))
	r.channel.send(frameStats, 0, 0, payload[:], nil)
}
