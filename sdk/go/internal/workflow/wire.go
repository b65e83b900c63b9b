// Package workflow runs durable workflows: the author's function, replayed over its journal. It is what
// runtimes/node/workflow is for Node.js: both write the same journal.
//
// The function and its branches are goroutines of which one runs at a time, handed on by a scheduler (thread.go). Time
// passes for them in turns: one thing comes in (a result, a signal, the end of a step), they go on as far as they can,
// and what they did becomes part of one message. A replay gives them the recorded things in the same turns, so they do
// the same; where they do not, that is found and explained (replay-check.go).
package workflow

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"lambent.dev/go/internal/event"
	"lambent.dev/go/internal/instance"
)

// messageBytesMax is the longest message: src/model/workflow-wire.ts.
const messageBytesMax = 16 * 1024 * 1024

// Failure is an error as the journal keeps it.
type Failure = instance.Failure

// Payload is a JSON value, or the name of one that is too large for a message (large-value.go).
type Payload struct {
	JSON  json.RawMessage `json:"json,omitempty"`
	Blob  string          `json:"blob,omitempty"`
	Bytes int             `json:"bytes,omitempty"`
	large []byte
}

var null = Payload{JSON: json.RawMessage("null")}

// Retry says when a failed attempt is followed by another.
type Retry struct {
	AttemptsMax int     `json:"attemptsMax"`
	FirstMS     float64 `json:"firstMs"`
	Factor      float64 `json:"factor"`
	MaxMS       float64 `json:"maxMs"`
	Jitter      bool    `json:"jitter"`
}

// Task is what an operation does: `task` of src/model/journal.ts.
type Task struct {
	Kind      string          `json:"kind"`
	Name      string          `json:"name,omitempty"`
	Retry     *Retry          `json:"retry,omitempty"`
	TimeoutMS float64         `json:"timeoutMs,omitempty"`
	Function  string          `json:"function,omitempty"`
	Input     *Payload        `json:"input,omitempty"`
	Event     string          `json:"event,omitempty"`
	Match     json.RawMessage `json:"match,omitempty"`
	Token     *string         `json:"token,omitempty"`
	Workflow  string          `json:"workflow,omitempty"`
	Execution string          `json:"execution,omitempty"`
	Waits     *bool           `json:"waits,omitempty"`
	Form      string          `json:"form,omitempty"`
	Resource  string          `json:"resource,omitempty"`
}

// entry is one of the journal, or an input that is offered: the fields that one needs to replay.
type entry struct {
	Kind    string   `json:"kind"`
	AtMS    float64  `json:"atMs"`
	Op      int      `json:"op"`
	Task    Task     `json:"task"`
	At      string   `json:"at"`
	Input   Payload  `json:"input"`
	Output  Payload  `json:"output"`
	Error   *Failure `json:"error"`
	Name    string   `json:"name"`
	Update  string   `json:"update"`
	Reason  string   `json:"reason"`
	Seed    string   `json:"seed"`
	Attempt int      `json:"attempt"`
}

// act is one thing that the function did: `ProgramAct` of src/ports/workflow-program.ts.
type act struct {
	Kind      string   `json:"kind"`
	Offer     int      `json:"offer,omitempty"`
	Op        int      `json:"op,omitempty"`
	Task      *Task    `json:"task,omitempty"`
	DueInMS   *float64 `json:"dueInMs,omitempty"`
	DueMS     *float64 `json:"dueMs,omitempty"`
	At        string   `json:"at,omitempty"`
	Scope     int      `json:"scope,omitempty"`
	Item      *int     `json:"item,omitempty"`
	Output    *Payload `json:"output,omitempty"`
	AtMS      float64  `json:"atMs,omitempty"`
	Error     *Failure `json:"error,omitempty"`
	Retryable *bool    `json:"retryable,omitempty"`
	Update    string   `json:"update,omitempty"`
	Result    *result  `json:"result,omitempty"`
	Outcome   *outcome `json:"outcome,omitempty"`
}

type result struct {
	Output *Payload `json:"output,omitempty"`
	Error  *Failure `json:"error,omitempty"`
}

type outcome struct {
	Status    string   `json:"status"`
	Output    *Payload `json:"output,omitempty"`
	Error     *Failure `json:"error,omitempty"`
	Execution *string  `json:"execution,omitempty"`
	Input     *Payload `json:"input,omitempty"`
}

// Execution says which one it is.
type Execution struct {
	ID       string `json:"id"`
	App      string `json:"app"`
	Workflow string `json:"workflow"`
}

// message comes from the platform.
type message struct {
	Kind        string    `json:"kind"`
	Record      Execution `json:"record"`
	CallbackURL string    `json:"callbackUrl"`
	Entries     []entry   `json:"entries"`
	Offers      []struct {
		Offer int     `json:"offer"`
		AtMS  float64 `json:"atMs"`
		Input entry   `json:"input"`
	} `json:"offers"`
	Ops     []int   `json:"ops"`
	Payload Payload `json:"payload"`
	// piece is a part of a large value, in a message of its own.
	piece []byte
	Query int     `json:"query"`
	Name  string  `json:"name"`
	Input Payload `json:"input"`
}

type submit struct {
	Kind string `json:"kind"`
	Acts []act  `json:"acts"`
}

type answer struct {
	Kind   string `json:"kind"`
	Query  int    `json:"query"`
	Result result `json:"result"`
}

var errTooLong = errors.New("a message of the platform is too long to be one")

// readMessage reads a u32 LE length and JSON, or a piece of a large value.
func readMessage(from io.Reader) (*message, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	size := length &^ pieceBit
	if size > messageBytesMax {
		return nil, errTooLong
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(from, text); err != nil {
		return nil, err
	}
	if length&pieceBit != 0 {
		return &message{piece: text}, nil
	}
	read := &message{}
	return read, json.Unmarshal(text, read)
}

func encodeMessage(value any) []byte {
	text, err := event.JSON(value)
	if err != nil {
		// Only raw JSON that was encoded before is in it.
		panic(err)
	}
	return append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(len(text))), text...)
}
