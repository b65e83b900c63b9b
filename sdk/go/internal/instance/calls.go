package instance

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
)

const (
	// callStream is set in the number of each stream that the instance opens.
	callStream   = 0x8000_0000
	callsOpenMax = 256
	callBytesMax = 6 * 1024 * 1024
	// callsWaitingMax is how many calls may wait for one of those that are open to end.
	callsWaitingMax = 10_000
	// callPayloadsMax is how many bytes the payloads of open calls may have together: a call beyond that waits.
	callPayloadsMax = 32 * 1024 * 1024
)

// CallFailure is why a call of the platform did not succeed.
type CallFailure struct {
	Failure
	Retryable bool   `json:"retryable"`
	Hint      string `json:"hint"`
}

func refusedCall(code, hint, format string, args ...any) *CallFailure {
	return &CallFailure{
		Failure: Failure{Code: code, ErrorType: code, ErrorMessage: fmt.Sprintf(format, args...)},
		Hint:    hint,
	}
}

// calls are those that this process makes of the platform: some open, further ones waiting.
type calls struct {
	channel *channel

	mu       sync.Mutex
	room     sync.Cond
	open     map[uint32]*call
	waiting  int
	payloads int
	last     uint32
}

type call struct {
	payloadBytes int
	window       int
	result       []byte
	failure      *CallFailure
	// done is closed when the platform has answered.
	done chan struct{}
}

func newCalls(channel *channel) *calls {
	c := &calls{channel: channel, open: map[uint32]*call{}}
	c.room.L = &c.mu
	return c
}

type callHead struct {
	Operation string         `json:"operation"`
	Args      map[string]any `json:"args"`
}

// Call asks the platform for an operation. The context's call is the one that asks; when it ends first, so does the
// wait, and the result is dropped. The error is a *CallFailure, or the context's.
func (r *Runtime) Call(ctx context.Context, operation string, args map[string]any, payload []byte) ([]byte, error) {
	if len(payload) > callBytesMax {
		return nil, refusedCall("E_PAYLOAD_TOO_LARGE", "Send less, or a reference to where the data is.",
			"the payload of %s has %d bytes; at most %d are allowed", operation, len(payload), callBytesMax)
	}
	head, err := json.Marshal(callHead{operation, args})
	if err != nil {
		return nil, err
	}
	asking := uint32(0)
	if inv, ok := FromContext(ctx); ok {
		asking = inv.stream
	}
	stream, opened, err := r.calls.begin(ctx, len(payload))
	if err != nil {
		return nil, err
	}
	r.calls.send(stream, opened, asking, head, payload)
	select {
	case <-opened.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if opened.failure != nil {
		return nil, opened.failure
	}
	return opened.result, nil
}

// begin waits for a place and takes it.
func (c *calls) begin(ctx context.Context, payloadBytes int) (uint32, *call, error) {
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.room.Broadcast()
		c.mu.Unlock()
	})()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting >= callsWaitingMax {
		return 0, nil, refusedCall("E_TOO_MANY_CALLS", "Wait for some of the calls before you make more.",
			"more than %d calls wait in this process", callsWaitingMax)
	}
	c.waiting++
	defer func() { c.waiting-- }()
	for len(c.open) >= callsOpenMax || (len(c.open) > 0 && c.payloads+payloadBytes > callPayloadsMax) {
		if ctx.Err() != nil {
			return 0, nil, context.Cause(ctx)
		}
		c.room.Wait()
	}
	// Numbers go round; one that is still open, after 2^31 calls, is passed over.
	for {
		c.last = (c.last + 1) &^ callStream
		if _, taken := c.open[c.last|callStream]; !taken && c.last != 0 {
			break
		}
	}
	opened := &call{payloadBytes: payloadBytes, window: windowBytes, done: make(chan struct{})}
	c.open[c.last|callStream] = opened
	c.payloads += payloadBytes
	return c.last | callStream, opened, nil
}

func (c *calls) send(stream uint32, opened *call, asking uint32, head, payload []byte) {
	opening := binary.LittleEndian.AppendUint32(make([]byte, 0, 8+len(head)), asking)
	opening = binary.LittleEndian.AppendUint32(opening, uint32(len(head)))
	opening = append(opening, head...)
	kind := byte(frameCall)
	for {
		size := c.reserve(opened, len(payload))
		if size < 0 {
			return // The platform has answered: it wants no more.
		}
		flags := byte(0)
		if size == len(payload) {
			flags = flagFin
		}
		c.channel.send(kind, flags, stream, opening, payload[:size])
		payload = payload[size:]
		if len(payload) == 0 {
			return
		}
		kind, opening = frameBody, nil
	}
}

// reserve waits until some of the wanted bytes may be sent; -1 when none are wanted any more.
func (c *calls) reserve(opened *call, wanted int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		select {
		case <-opened.done:
			return -1
		default:
		}
		if size := smallest(wanted, bodyChunkBytes, opened.window); size > 0 || wanted == 0 {
			opened.window -= size
			return size
		}
		c.room.Wait()
	}
}

func smallest(a, b, c int) int {
	if b < a {
		a = b
	}
	if c < a {
		a = c
	}
	return a
}

// onFrame takes a frame on a stream that this process opened.
func (c *calls) onFrame(kind, flags byte, stream uint32, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	opened := c.open[stream]
	if opened == nil {
		return
	}
	switch kind {
	case frameCredit:
		if len(payload) == 4 {
			opened.window += int(binary.LittleEndian.Uint32(payload))
			c.room.Broadcast()
		}
	case frameCallFailed:
		opened.failure = &CallFailure{}
		if err := json.Unmarshal(payload, opened.failure); err != nil {
			opened.failure = refusedCall("E_PROTOCOL", "", "the platform's answer cannot be read: %v", err)
		}
		c.end(stream, opened)
	case frameCallResult, frameBody:
		opened.result = append(opened.result, payload...)
		if flags&flagFin != 0 {
			c.end(stream, opened)
			return
		}
		if len(payload) > 0 {
			var count [4]byte
			binary.LittleEndian.PutUint32(count[:], uint32(len(payload)))
			// Not from here: this is the reader, which must not wait for the platform to read.
			go c.channel.send(frameCredit, 0, stream, count[:], nil)
		}
	}
}

func (c *calls) end(stream uint32, opened *call) {
	delete(c.open, stream)
	c.payloads -= opened.payloadBytes
	close(opened.done)
	c.room.Broadcast()
}
