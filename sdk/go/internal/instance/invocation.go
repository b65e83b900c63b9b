package instance

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// creditBytes: consumed body bytes are acknowledged in portions of at least this size.
	creditBytes = windowBytes / 4
	// responseFixedBytes is what an HTTP_RESPONSE holds before its header block; all of it counts against the window.
	responseFixedBytes = 8
)

// ErrBodyBroken is what reading a request's body ends with when the answer was complete before it.
var ErrBodyBroken = errors.New("the answer ended before the body of the request was read")

// ErrCallerGone is the cause of a cancelled invocation's context when nobody waits for the answer any more.
var ErrCallerGone = errors.New("the answer is no longer wanted")

var errEnded = errors.New("the answer has ended")

// Invocation is one call: the request's body on its way in, the answer on its way out, and whether anybody still
// waits. Reading and writing block while the other side has nothing, or no room; both end when the call is cancelled.
type Invocation struct {
	IsHTTP bool
	// Facts of the call; see CallInfo.
	Info CallInfo
	// HTTP is the head of the request, when IsHTTP.
	HTTP HTTPHead

	runtime *Runtime
	stream  uint32
	expiry  expiry
	ctx     callContext
	cancel  context.CancelCauseFunc

	mu   sync.Mutex
	wake sync.Cond

	incoming     [][]byte
	incomingDone bool
	// mayUpgrade: what comes is of a protocol that the code has not switched to; the request itself has no body.
	mayUpgrade bool
	hadBody    bool
	consumed   int
	// trailers of the request, as lines; complete once the body is.
	trailers string

	room      int
	answered  bool
	ended     bool
	cancelled error
	timedOut  bool
	upgraded  bool
	// muted: what the code prints now was printed before.
	muted bool
}

// CallInfo says what is known of a call before its payload.
type CallInfo struct {
	RequestID string
	Deadline  time.Time
	// Trigger is `http`, `invoke`, `async`, `event` or `workflow`.
	Trigger string
	// Attempt counts from 1; 0 when somebody waits for the answer.
	Attempt int
	// Traceparent is the caller's W3C trace context, if it gave one.
	Traceparent string
	// ClientContext is Lambda's, as JSON; nil when there is none.
	ClientContext json.RawMessage
	// Caller is the function that called, if one did.
	Caller *Caller
}

// Caller is a function that called another.
type Caller struct {
	App       string `json:"app"`
	Function  string `json:"function"`
	RequestID string `json:"requestId"`
}

// HTTPHead is the head of a request as the gateway parsed it.
type HTTPHead struct {
	RemoteAddr string
	Scheme     string
	// Route is `GET /users/:id`.
	Route string
	// Params is `id=42&x=a%20b`, percent-encoded.
	Params string
	Method string
	Target string
	// Lines are the headers, `name: value`, names in lower case.
	Lines []string
}

const httpHeadFixedLines = 7

func parseHTTPHead(text string) (CallInfo, HTTPHead, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < httpHeadFixedLines {
		return CallInfo{}, HTTPHead{}, errNotFrames
	}
	deadlineMS, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return CallInfo{}, HTTPHead{}, errNotFrames
	}
	method, target, _ := strings.Cut(lines[6], " ")
	info := CallInfo{RequestID: lines[0], Deadline: time.UnixMilli(deadlineMS), Trigger: "http"}
	return info, HTTPHead{
		RemoteAddr: lines[2],
		Scheme:     lines[3],
		Route:      lines[4],
		Params:     lines[5],
		Method:     method,
		Target:     target,
		Lines:      lines[httpHeadFixedLines:],
	}, nil
}

type eventHead struct {
	RequestID     string          `json:"requestId"`
	DeadlineMS    float64         `json:"deadlineMs"`
	Trigger       string          `json:"trigger"`
	Traceparent   string          `json:"traceparent"`
	ClientContext json.RawMessage `json:"clientContext"`
	Attempt       int             `json:"attempt"`
	Caller        *Caller         `json:"caller"`
}

func newInvocation(runtime *Runtime, stream uint32, isHTTP bool, payload []byte, last bool) (*Invocation, error) {
	if len(payload) < 4 {
		return nil, errNotFrames
	}
	headEnd := 4 + int(binary.LittleEndian.Uint32(payload))
	if headEnd > len(payload) {
		return nil, errNotFrames
	}
	inv := &Invocation{IsHTTP: isHTTP, runtime: runtime, stream: stream, room: windowBytes, incomingDone: last}
	inv.wake.L = &inv.mu
	head := payload[4:headEnd]
	if isHTTP {
		text := latin1(head)
		var err error
		if inv.Info, inv.HTTP, err = parseHTTPHead(text); err != nil {
			return nil, err
		}
		inv.mayUpgrade = !last && strings.Contains(text, "\nupgrade: ")
	} else {
		var event eventHead
		if err := json.Unmarshal(head, &event); err != nil {
			return nil, errNotFrames
		}
		inv.Info = CallInfo{
			RequestID:     event.RequestID,
			Deadline:      time.UnixMilli(int64(event.DeadlineMS)),
			Trigger:       event.Trigger,
			Attempt:       event.Attempt,
			Traceparent:   event.Traceparent,
			ClientContext: event.ClientContext,
			Caller:        event.Caller,
		}
	}
	if headEnd < len(payload) {
		inv.incoming = [][]byte{append([]byte(nil), payload[headEnd:]...)}
		inv.hadBody = true
	}
	ctx, cancel := context.WithCancelCause(&inv.expiry)
	inv.cancel = cancel
	inv.ctx = callContext{Context: ctx, inv: inv}
	return inv, nil
}

// latin1 turns bytes into text, one character a byte.
func latin1(bytes []byte) string {
	for _, b := range bytes {
		if b >= 0x80 {
			runes := make([]rune, len(bytes))
			for i, each := range bytes {
				runes[i] = rune(each)
			}
			return string(runes)
		}
	}
	return string(bytes)
}

// Context is cancelled when nobody waits for the answer any more. It has the call's deadline, which the platform
// watches over.
func (inv *Invocation) Context() context.Context { return &inv.ctx }

// ---- The body of the request.

// Mute says that what the code prints from now on was printed before: a workflow is replayed.
func (inv *Invocation) Mute(on bool) {
	// What was printed so far belongs to what was.
	inv.runtime.output.settle()
	inv.mu.Lock()
	inv.muted = on
	inv.mu.Unlock()
}

func (inv *Invocation) isMuted() bool {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.muted
}

// HasBody says whether a body came or may still come.
func (inv *Invocation) HasBody() bool {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return !inv.mayUpgrade && (inv.hadBody || !inv.incomingDone)
}

// Upgrade turns the body into what comes over the connection after the code has switched protocols.
func (inv *Invocation) Upgrade() {
	inv.mu.Lock()
	inv.mayUpgrade = false
	inv.upgraded = true
	inv.mu.Unlock()
}

// Read gives the next bytes of the body.
func (inv *Invocation) Read(p []byte) (int, error) {
	inv.mu.Lock()
	for len(inv.incoming) == 0 && !inv.incomingDone && !inv.mayUpgrade && !inv.ended && inv.cancelled == nil {
		inv.wake.Wait()
	}
	if inv.mayUpgrade {
		inv.mu.Unlock()
		return 0, io.EOF
	}
	if len(inv.incoming) == 0 {
		defer inv.mu.Unlock()
		switch {
		case inv.incomingDone:
			return 0, io.EOF
		case inv.cancelled != nil:
			return 0, inv.cancelled
		default:
			return 0, ErrBodyBroken
		}
	}
	n := copy(p, inv.incoming[0])
	if n == len(inv.incoming[0]) {
		inv.incoming[0] = nil
		inv.incoming = inv.incoming[1:]
	} else {
		inv.incoming[0] = inv.incoming[0][n:]
	}
	inv.consumed += n
	credit := 0
	if inv.consumed >= creditBytes && !inv.incomingDone && !inv.ended {
		credit = inv.consumed
		inv.consumed = 0
	}
	inv.mu.Unlock()
	if credit > 0 {
		var count [4]byte
		binary.LittleEndian.PutUint32(count[:], uint32(credit))
		inv.runtime.channel.send(frameCredit, 0, inv.stream, count[:], nil)
	}
	return n, nil
}

func (inv *Invocation) receive(payload []byte, last bool) {
	inv.mu.Lock()
	if !inv.incomingDone && inv.cancelled == nil {
		if len(payload) > 0 {
			inv.incoming = append(inv.incoming, append([]byte(nil), payload...))
			inv.hadBody = true
		}
		inv.incomingDone = last
	}
	inv.mu.Unlock()
	inv.wake.Broadcast()
}

func (inv *Invocation) receiveTrailers(payload []byte) {
	inv.mu.Lock()
	inv.trailers = latin1(payload)
	inv.mu.Unlock()
}

// Trailers gives the `name: value` lines that followed the body. Only once Read has come to its end.
func (inv *Invocation) Trailers() []string {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.trailers == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(inv.trailers, "\r\n"), "\r\n")
}

// ---- The answer.

// Respond sends the head of the answer, with its first bytes, or all of it when last is true. The block has
// `name: value\r\n` lines.
func (inv *Invocation) Respond(status int, block []byte, body []byte, last bool) error {
	fits := len(body) <= bodyChunkBytes
	head := make([]byte, responseFixedBytes, responseFixedBytes+len(block))
	binary.LittleEndian.PutUint16(head, uint16(status))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(block)))
	head = append(head, block...)
	first := body
	if !fits {
		first = nil
	}
	if err := inv.send(frameHTTPResponse, head, first, last && fits); err != nil {
		return err
	}
	if fits {
		return nil
	}
	return inv.WriteBody(body, last)
}

// Result sends the result of an event call, or its beginning.
func (inv *Invocation) Result(result []byte, last bool) error {
	if len(result) <= bodyChunkBytes {
		return inv.send(frameResult, nil, result, last)
	}
	if err := inv.send(frameResult, nil, result[:bodyChunkBytes], false); err != nil {
		return err
	}
	return inv.WriteBody(result[bodyChunkBytes:], last)
}

// WriteBody sends more of the answer. It returns once everything has left: a slow reader slows its writer.
func (inv *Invocation) WriteBody(body []byte, last bool) error {
	for {
		inv.mu.Lock()
		for inv.room <= 0 && len(body) > 0 && inv.cancelled == nil && !inv.ended {
			inv.wake.Wait()
		}
		size := len(body)
		if size > inv.room {
			size = inv.room
		}
		if size < 0 {
			size = 0
		}
		if size > bodyChunkBytes {
			size = bodyChunkBytes
		}
		inv.mu.Unlock()
		whole := size == len(body)
		if err := inv.send(frameBody, nil, body[:size], last && whole); err != nil {
			return err
		}
		if whole {
			return nil
		}
		body = body[size:]
	}
}

// WriteTrailers sends what follows the body, in `name: value\r\n` lines. Only the last WriteBody may come after it.
func (inv *Invocation) WriteTrailers(block []byte) error {
	return inv.send(frameTrailers, nil, block, false)
}

// send passes on one frame of the answer, unless the answer has ended or nobody waits for it.
func (inv *Invocation) send(kind byte, head, body []byte, last bool) error {
	if last {
		inv.beforeEnd()
	}
	inv.mu.Lock()
	if inv.ended {
		inv.mu.Unlock()
		return errEnded
	}
	if inv.cancelled != nil {
		inv.mu.Unlock()
		return inv.cancelled
	}
	inv.answered = true
	inv.room -= len(head) + len(body)
	inv.ended = last
	inv.mu.Unlock()
	if !last {
		inv.runtime.channel.send(kind, 0, inv.stream, head, body)
		return nil
	}
	inv.sendLast(kind, head, body)
	return nil
}

// Fail ends the call with an error. Of a call that nobody waits for, it ends the stream.
func (inv *Invocation) Fail(failure *Failure) {
	if inv.Ended() {
		return
	}
	inv.beforeEnd()
	inv.mu.Lock()
	if inv.ended {
		inv.mu.Unlock()
		return
	}
	cancelled := inv.cancelled != nil
	inv.ended = true
	inv.mu.Unlock()
	if cancelled {
		inv.sendLast(frameBody, nil, nil)
	} else {
		inv.sendLast(frameFailed, encodeFailure(failure), nil)
	}
}

// End ends the stream as it stands. It does nothing to one that has ended.
func (inv *Invocation) End() {
	if inv.Ended() {
		return
	}
	inv.beforeEnd()
	inv.mu.Lock()
	if inv.ended {
		inv.mu.Unlock()
		return
	}
	inv.ended = true
	inv.mu.Unlock()
	inv.sendLast(frameBody, nil, nil)
}

// Answered says whether the beginning of an answer has left.
func (inv *Invocation) Answered() bool {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.answered
}

// Ended says whether the last frame of the answer has left.
func (inv *Invocation) Ended() bool {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.ended
}

// Cancelled gives the reason why nobody waits any more; nil while somebody does.
func (inv *Invocation) Cancelled() error {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.cancelled
}

// beforeEnd sends what belongs to the call and must leave before its last frame.
func (inv *Invocation) beforeEnd() {
	inv.runtime.output.settle()
	inv.runtime.reportMemory()
}

// sendLast ends the stream. The caller has marked it as ended.
func (inv *Invocation) sendLast(kind byte, head, body []byte) {
	inv.runtime.forget(inv)
	inv.runtime.channel.send(kind, flagFin, inv.stream, head, body)
	inv.wake.Broadcast()
	inv.cancel(context.Canceled)
	inv.runtime.ended()
}

func (inv *Invocation) credit(bytes int) {
	inv.mu.Lock()
	inv.room += bytes
	inv.mu.Unlock()
	inv.wake.Broadcast()
}

func (inv *Invocation) onCancel(reason byte) {
	cause := ErrCallerGone
	if reason == cancelTimeout {
		cause = context.DeadlineExceeded
	}
	inv.mu.Lock()
	if inv.ended || inv.cancelled != nil {
		inv.mu.Unlock()
		return
	}
	inv.cancelled = cause
	inv.timedOut = reason == cancelTimeout
	inv.mu.Unlock()
	inv.wake.Broadcast()
	if reason == cancelTimeout {
		inv.expiry.expire()
	}
	inv.cancel(cause)
	if reason == cancelTimeout {
		inv.runtime.checkIdle()
	}
}
