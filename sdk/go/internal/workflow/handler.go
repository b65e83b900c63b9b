package workflow

import (
	"bufio"
	"sync"

	"lambent.dev/go/internal/instance"
)

// concurrency is how many executions one instance keeps hot, unless the manifest says otherwise.
const concurrency = 1_000

// Handler runs executions of a workflow: each call is one of them, for as long as it is hot here.
func Handler(main Main) instance.Handler {
	return instance.Handler{
		Kind:        "workflow",
		Concurrency: concurrency,
		Serve: func(inv *instance.Invocation) {
			if inv.IsHTTP {
				// The platform starts the execution that a request asks for.
				instance.Here.FailWith(inv, misuse("E_BAD_REQUEST", "a workflow takes no requests").failure())
				return
			}
			serve(inv, main)
		},
	}
}

func serve(inv *instance.Invocation, main Main) {
	var run *Run
	// The end of the body: the platform drops the execution.
	defer func() {
		if run != nil {
			run.close()
		}
		inv.End()
	}()
	var sending sync.Mutex
	send := func(value any) {
		sending.Lock()
		defer sending.Unlock()
		write := func(bytes []byte) {
			if inv.Answered() {
				_ = inv.WriteBody(bytes, false)
			} else {
				_ = inv.Result(bytes, false)
			}
		}
		// What cannot leave any more is of an execution that was taken away.
		if said, isSubmit := value.(submit); isSubmit {
			sendAhead(said.Acts, write)
		}
		write(encodeMessage(value))
	}
	from := bufio.NewReader(inv)
	var history []entry
	var pieces []byte
	values := map[string][]byte{}
	for {
		read, err := readMessage(from)
		if err != nil {
			return
		}
		if read.piece != nil {
			pieces = append(pieces, read.piece...)
			continue
		}
		if len(values) > 0 && read.Kind != "payload" {
			read.fill(values)
			values = map[string][]byte{}
		}
		switch read.Kind {
		case "payload":
			values[read.Payload.Blob], pieces = pieces, nil
		case "open":
			run = newRun(read, inv, send)
		case "history":
			history = append(history, read.Entries...)
		case "go":
			run.start(history, main)
			history = nil
		case "offer":
			run.offer(read)
		case "committed":
			run.committed(read.Ops)
		case "query":
			send(answer{Kind: "answer", Query: read.Query, Result: run.query(read.Name, read.Input)})
		}
	}
}
