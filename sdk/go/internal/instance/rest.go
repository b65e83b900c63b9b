package instance

import (
	"runtime/debug"
	"time"
)

const (
	// spareBytesMax is how much a process may have taken from the system, since it last looked, without giving back what
	// is garbage of it. Collecting a small heap would take more memory, for the collector's own tables, than it frees.
	spareBytesMax = 4 << 20
	// freezeWait is how long a process that may rest keeps away from its own code, so that little of it has to come back
	// before the platform takes its processor time.
	freezeWait = 20 * time.Millisecond
)

// rest answers whether anything is left to do. If not, the process is about to get no processor time until its next
// call, which may be hours away: it gives back what it does not need for that.
func (r *Runtime) rest() {
	if !r.isIdle() || !r.resting.CompareAndSwap(false, true) {
		return
	}
	defer r.resting.Store(false)
	if ownBytes() > r.keptBytes+spareBytesMax {
		debug.FreeOSMemory()
		r.keptBytes = ownBytes()
	}
	letGoOfCode()
	if r.isIdle() {
		r.channel.send(frameResting, 0, 0, nil, nil)
		// Saying so took some of the code again.
		letGoOfCode()
		awaitFreeze(freezeWait)
	}
}
