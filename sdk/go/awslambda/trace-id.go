package awslambda

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"lambent.dev/go/internal/instance"
)

// traceKey and traceVariable are where AWS's module leaves the trace of a call, and X-Ray's SDK looks for it.
const (
	traceKey      = "x-amzn-trace-id"
	traceVariable = "_X_AMZN_TRACE_ID"
)

var traceparentForm = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$`)

// tellTrace gives the trace of a call in the form of AWS X-Ray, and sets the variable where no other call reads it.
func tellTrace(inv *instance.Invocation) string {
	trace := xrayTraceID(inv.Info.RequestID, traceparentOf(inv))
	if instance.Here.OneAtATime() {
		_ = os.Setenv(traceVariable, trace)
	}
	return trace
}

func traceparentOf(inv *instance.Invocation) string {
	for _, line := range inv.HTTP.Lines {
		if value, is := strings.CutPrefix(line, "traceparent: "); is {
			return value
		}
	}
	return inv.Info.Traceparent
}

// xrayTraceID is what runtimes/node/trace-id.ts makes of the same: without a trace context that can be read, the
// call's own id begins a trace.
func xrayTraceID(requestID, traceparent string) string {
	own := strings.Repeat("0", 32) + strings.ReplaceAll(requestID, "-", "")
	own = own[len(own)-32:]
	trace, parent, sampled := own, own[len(own)-16:], uint64(1)
	if parts := traceparentForm.FindStringSubmatch(traceparent); parts != nil {
		flags, _ := strconv.ParseUint(parts[3], 16, 8)
		trace, parent, sampled = parts[1], parts[2], flags&1
	}
	return fmt.Sprintf("Root=1-%s-%s;Parent=%s;Sampled=%d", trace[:8], trace[8:], parent, sampled)
}
