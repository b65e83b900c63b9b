package instance

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// readBytes is how much one system call may bring; a longer frame gets a larger buffer.
	readBytes = 128 * 1024
	// batchMax is how much may wait for the platform to read; senders wait beyond it.
	batchMax = 16 * 1024 * 1024
	// batchKept is the size up to which a batch's memory is used again.
	batchKept = 256 * 1024
)

var errNotFrames = errors.New("the platform sent something that is not a frame")

// channel is the instance's end of the connection to the platform. Whoever sends while nobody writes does the
// writing; the others leave their frames in the batch, so that the answers of invocations that run at the same
// time share one system call.
type channel struct {
	conn io.ReadWriter
	// onBroken hears that the platform is gone. It does not return.
	onBroken func()
	// sharing counts the invocations that run: they may be about to send as well.
	sharing atomic.Int32

	mu      sync.Mutex
	room    sync.Cond
	batch   []byte
	spare   []byte
	writing bool
}

func newChannel(conn io.ReadWriter, onBroken func()) *channel {
	c := &channel{conn: conn, onBroken: onBroken}
	c.room.L = &c.mu
	return c
}

// send queues a frame whose payload is head and body, and writes unless somebody else is at it. It copies both.
func (c *channel) send(kind, flags byte, stream uint32, head, body []byte) {
	c.mu.Lock()
	// The reader's own frames must not wait: the platform may be waiting for the reader.
	for len(c.batch) > batchMax && kind != framePong {
		c.room.Wait()
	}
	c.batch = appendFrame(c.batch, kind, flags, stream, head, body)
	if c.writing {
		c.mu.Unlock()
		return
	}
	c.writing = true
	c.mu.Unlock()
	if c.sharing.Load() > 0 {
		// Goroutines that are ready to answer come first: their frames leave with this one.
		runtime.Gosched()
	}
	c.writeOnce()
}

// writeOnce writes what has gathered. What came meanwhile is another goroutine's work: the caller has its own.
func (c *channel) writeOnce() {
	c.mu.Lock()
	out := c.batch
	c.batch = c.spare[:0]
	c.spare = nil
	c.mu.Unlock()
	if _, err := c.conn.Write(out); err != nil {
		c.onBroken()
		return
	}
	c.mu.Lock()
	if cap(out) <= batchKept {
		c.spare = out
	}
	if len(c.batch) > 0 {
		go c.writeOnce()
	} else {
		c.writing = false
	}
	c.room.Broadcast()
	c.mu.Unlock()
}

// settle returns when everything sent so far has left.
func (c *channel) settle() {
	c.mu.Lock()
	for c.writing {
		c.room.Wait()
	}
	c.mu.Unlock()
}

// receive reads frames until the connection ends. The payload is valid only during the call.
func (c *channel) receive(onFrame func(kind, flags byte, stream uint32, payload []byte)) error {
	buffer := make([]byte, readBytes)
	from, to := 0, 0
	for {
		n, err := c.conn.Read(buffer[to:])
		if n == 0 && err != nil {
			return err
		}
		to += n
		for to-from >= frameHeaderBytes {
			header := buffer[from : from+frameHeaderBytes]
			size := int(binary.LittleEndian.Uint32(header))
			if size > framePayloadMax || header[10] != 0 || header[11] != 0 {
				return errNotFrames
			}
			whole := frameHeaderBytes + size
			if to-from < whole {
				if whole > len(buffer) {
					larger := make([]byte, framePayloadMax+frameHeaderBytes)
					to = copy(larger, buffer[from:to])
					from = 0
					buffer = larger
				}
				break
			}
			onFrame(header[8], header[9], binary.LittleEndian.Uint32(header[4:]), buffer[from+frameHeaderBytes:from+whole])
			from += whole
		}
		if from > 0 {
			to = copy(buffer, buffer[from:to])
			from = 0
		}
	}
}
