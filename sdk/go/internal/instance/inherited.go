package instance

import (
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"lambent.dev/go/internal/boot"
)

type connection = io.ReadWriter

// inherited opens the connection that the platform passed on as descriptor 3; nil when there is none. Package boot has
// taken the first message from it.
func inherited() connection {
	if boot.Message == nil || syscall.SetNonblock(channelFD, true) != nil {
		return nil
	}
	return os.NewFile(channelFD, "lambent")
}

// terminate sends the process SIGTERM, as AWS does: code that listens for it (signal.Notify) has some time to end the
// process by itself. Where nobody listens, it ends at once.
func terminate() {
	if syscall.Kill(syscall.Getpid(), syscall.SIGTERM) == nil {
		time.Sleep(cleanUpMax)
	}
}

// peakMemoryKB is the highest resident memory so far.
func peakMemoryKB() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) / 1024
	}
	return int64(usage.Maxrss)
}
