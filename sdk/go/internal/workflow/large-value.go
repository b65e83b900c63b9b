package workflow

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

const (
	pieceBytesMax = 64 * 1024
	// pieceBit is set in the length of a piece of a large value.
	pieceBit = 1 << 31
)

// largePayload is a value that is too large for a message. To the code it is one like others; in a message there is
// only its name, and its text goes ahead of it in pieces (src/model/workflow-wire.ts).
func largePayload(text []byte) Payload {
	sum := sha256.Sum256(text)
	return Payload{Blob: hex.EncodeToString(sum[:]), Bytes: len(text), large: text}
}

type payloadMessage struct {
	Kind    string  `json:"kind"`
	Payload Payload `json:"payload"`
}

// sendAhead sends the large values that acts name.
func sendAhead(acts []act, write func([]byte)) {
	for i := range acts {
		done := &acts[i]
		sendLarge(done.Output, write)
		if done.Task != nil {
			sendLarge(done.Task.Input, write)
		}
		if done.Outcome != nil {
			sendLarge(done.Outcome.Output, write)
			sendLarge(done.Outcome.Input, write)
		}
	}
}

func sendLarge(payload *Payload, write func([]byte)) {
	if payload == nil || payload.large == nil {
		return
	}
	for rest := payload.large; len(rest) > 0; {
		size := len(rest)
		if size > pieceBytesMax {
			size = pieceBytesMax
		}
		head := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+size), pieceBit|uint32(size))
		write(append(head, rest[:size]...))
		rest = rest[size:]
	}
	write(encodeMessage(payloadMessage{Kind: "payload", Payload: *payload}))
}

// fill gives a message the large values that it names.
func (m *message) fill(values map[string][]byte) {
	for i := range m.Entries {
		m.Entries[i].fill(values)
	}
	for i := range m.Offers {
		m.Offers[i].Input.fill(values)
	}
}

func (e *entry) fill(values map[string][]byte) {
	for _, payload := range []*Payload{&e.Input, &e.Output} {
		if text, isNamed := values[payload.Blob]; isNamed {
			*payload = Payload{JSON: text}
		}
	}
}
