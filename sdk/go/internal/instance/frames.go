package instance

import "encoding/binary"

// The protocol between the platform and one instance: src/model/frames.ts describes it, and a test compares these
// values with it.
//
// A frame is a 12-byte header and a payload:
//
//	u32 LE  payload length, at most framePayloadMax
//	u32 LE  stream: the number of one invocation on this connection; 0 speaks of the whole instance
//	u8      kind
//	u8      flags: flagFin ends the sender's side of the stream
//	u16     zero
const (
	frameHeaderBytes = 12
	framePayloadMax  = 1 << 20
	windowBytes      = 256 * 1024
	bodyChunkBytes   = 64 * 1024
	protocolVersion  = 1
	flagFin          = 1
)

const (
	frameHTTPRequest = 0x02
	frameEvent       = 0x03
	frameCancel      = 0x06
	frameDrain       = 0x07
	framePing        = 0x08
	frameCallResult  = 0x09
	frameCallFailed  = 0x0a
	frameRest        = 0x0c

	frameReady        = 0x41
	frameBootFailed   = 0x42
	frameHTTPResponse = 0x43
	frameResult       = 0x44
	frameFailed       = 0x46
	frameLog          = 0x47
	frameStats        = 0x49
	framePong         = 0x4a
	frameCall         = 0x4b
	frameResting      = 0x4f

	frameBody     = 0x80
	frameCredit   = 0x81
	frameTrailers = 0x82
)

const cancelTimeout = 1

// Severity of a log line, in the order of the protocol.
type Severity byte

const (
	Trace Severity = iota
	Debug
	Info
	Warn
	Error
	Fatal
)

// bootMessage is the payload of BOOT, as far as a Go program needs it.
type bootMessage struct {
	Protocol  int    `json:"protocol"`
	App       string `json:"app"`
	Function  string `json:"function"`
	Version   string `json:"version"`
	CodeDir   string `json:"codeDir"`
	MemoryMB  int64  `json:"memoryMb"`
	TimeoutMS int64  `json:"timeoutMs"`
	// Concurrency is the manifest's; 0: it says nothing.
	Concurrency int `json:"concurrency"`
}

type readyMessage struct {
	Protocol    int    `json:"protocol"`
	HandlerKind string `json:"handlerKind"`
	// Concurrency is how many calls may run at once, unless the manifest says otherwise; 0: by the kind.
	Concurrency int `json:"concurrency,omitempty"`
}

// Failure is the payload of FAILED and BOOT_FAILED: an error in the author's code.
type Failure struct {
	Code         string   `json:"code"`
	ErrorType    string   `json:"errorType"`
	ErrorMessage string   `json:"errorMessage"`
	StackTrace   []string `json:"stackTrace"`
	// Retryable is false when the author says that the same will fail again; nil: it may be tried.
	Retryable *bool `json:"retryable,omitempty"`
}

func appendFrame(to []byte, kind, flags byte, stream uint32, head, body []byte) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(head)+len(body)))
	to = binary.LittleEndian.AppendUint32(to, stream)
	to = append(to, kind, flags, 0, 0)
	to = append(to, head...)
	return append(to, body...)
}
