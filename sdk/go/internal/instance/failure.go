package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	stackLinesMax   = 50
	messageBytesMax = 16 * 1024
	// stackFramesMax is how deep a stack is looked at: an endless recursion has millions of frames.
	stackFramesMax = 512
	// callSiteFramesMax: the module's own, and some of a helper of the author's.
	callSiteFramesMax = 30
	ownModule         = "lambent.dev/go"
)

// moduleDir is the folder of the program's module in the app, which the build sets: stacks name files relative to
// the app.
var moduleDir string

func encodeFailure(failure *Failure) []byte {
	if failure.StackTrace == nil {
		failure.StackTrace = []string{}
	}
	encoded, _ := json.Marshal(failure)
	return encoded
}

// DescribeError describes an error that the author's code returned. Go's errors know no stack.
func DescribeError(err error) *Failure {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	retryable := Retryable(err)
	if final, is := err.(*final); is {
		err = final.error
	}
	return &Failure{
		Code:         "E_FUNCTION_ERROR",
		ErrorType:    typeName(err),
		ErrorMessage: cut(textOf(func() string { return err.Error() })),
		Retryable:    retryable,
	}
}

// Final says of an error that the same will fail again.
func Final(err error) error { return &final{err} }

type final struct{ error }

func (f *final) Unwrap() error   { return f.error }
func (f *final) Retryable() bool { return false }

// Retryable points to false where an error, or one that it wraps, says by its method that the same will fail again.
func Retryable(err error) *bool {
	var told interface{ Retryable() bool }
	if !errors.As(err, &told) || told.Retryable() {
		return nil
	}
	return new(bool)
}

// DescribePanic describes what the author's code panicked with, while that is being recovered.
func DescribePanic(thrown any) *Failure {
	return &Failure{
		Code:         "E_FUNCTION_ERROR",
		ErrorType:    typeName(thrown),
		ErrorMessage: cut(textOf(func() string { return fmt.Sprint(thrown) })),
		StackTrace:   panicStack(),
	}
}

// textOf survives an Error or String method that panics itself.
func textOf(text func() string) (result string) {
	defer func() {
		if recover() != nil {
			result = "the error has no text: asking for it panicked"
		}
	}()
	return text()
}

func cut(message string) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= messageBytesMax {
		return message
	}
	end := messageBytesMax
	for !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end]
}

// typeName is the name of a type as AWS's module for Go shows it: without package and pointer.
func typeName(value any) string {
	if _, is := value.(runtime.Error); is {
		return "RuntimeError" // Its own types are Go's private matter.
	}
	kind := reflect.TypeOf(value)
	if kind == nil {
		return "nil"
	}
	if kind.Kind() == reflect.Ptr {
		kind = kind.Elem()
	}
	if kind.Name() == "" {
		return kind.String()
	}
	return kind.Name()
}

func failureText(failure *Failure) string {
	lines := append([]string{failure.ErrorType + ": " + failure.ErrorMessage}, failure.StackTrace...)
	return strings.Join(lines, "\n    ")
}

// panicStack lists where the panic that is being recovered came from: the author's own lines first, then those of
// other modules and of Go. Never those of the runtime here.
func panicStack() []string {
	counters := make([]uintptr, stackFramesMax)
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters)])
	var own, others []string
	panicking := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			// What is above was called while recovering.
			panicking, own, others = true, nil, nil
		case !panicking || frame.Function == "" || isInternal(frame.Function):
		case isOwn(frame):
			own = append(own, stackLine(frame))
		default:
			others = append(others, stackLine(frame))
		}
		if !more {
			break
		}
	}
	lines := append(own, others...)
	if len(lines) > stackLinesMax {
		lines = lines[:stackLinesMax]
	}
	return lines
}

func isInternal(function string) bool {
	return strings.HasPrefix(function, ownModule+"/") || strings.HasPrefix(function, ownModule+".") ||
		strings.HasPrefix(function, "runtime.") || strings.HasPrefix(function, "reflect.") ||
		strings.HasPrefix(function, "internal/runtime/")
}

var mainModule = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Path
})

// isOwn says whether a frame is of the program's own module. Files of the others carry a version.
func isOwn(frame runtime.Frame) bool {
	module := mainModule()
	return strings.HasPrefix(frame.Function, "main.") || (module != "" && strings.HasPrefix(frame.File, module+"/"))
}

// CallSite is where the author's code is that called into the module: `workflows/order.go:12`.
func CallSite() string {
	counters := make([]uintptr, callSiteFramesMax)
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters)])
	for {
		frame, more := frames.Next()
		if frame.Function != "" && !isInternal(frame.Function) && isOwn(frame) {
			return fileOf(frame) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// fileOf is the file of a frame, relative to the app.
func fileOf(frame runtime.Frame) string {
	file := frame.File
	if inModule, found := strings.CutPrefix(file, mainModule()+"/"); found && mainModule() != "" {
		file = inModule
		if moduleDir != "" {
			file = moduleDir + "/" + file
		}
	}
	return file
}

func stackLine(frame runtime.Frame) string {
	function := frame.Function[strings.LastIndexByte(frame.Function, '/')+1:]
	return "at " + function + " (" + fileOf(frame) + ":" + strconv.Itoa(frame.Line) + ")"
}

// Error makes a failure in the platform's own terms an error.
func (failure *Failure) Error() string { return failure.ErrorMessage }
