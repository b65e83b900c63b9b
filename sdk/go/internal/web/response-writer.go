package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"

	"lambent.dev/go/internal/instance"
)

const (
	// bufferBytes of an answer wait for more before they leave; a shorter answer gets its Content-Length.
	bufferBytes = 4 * 1024
	// copyBytes is how much ReadFrom reads at once.
	copyBytes  = 32 * 1024
	sniffBytes = 512
)

// hopHeaders belong to one connection: the gateway speaks for its own.
var hopHeaders = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Transfer-Encoding": true, "Upgrade": true,
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferBytes); return &b }}

// responseWriter answers an invocation in the way of net/http's own server.
type responseWriter struct {
	inv     *instance.Invocation
	request *http.Request
	header  http.Header
	status  int
	// block is the header as it was when WriteHeader was called.
	block []byte
	typed bool
	// contentLength is what the handler declared; -1: nothing.
	contentLength int64
	written       int64
	buffer        *[]byte
	sent          bool
	hijacked      bool
	// trailing names the trailers that were announced before the head left.
	trailing []string
}

func newResponseWriter(inv *instance.Invocation) *responseWriter {
	return &responseWriter{inv: inv, header: make(http.Header), contentLength: -1}
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	if w.hijacked || w.status != 0 {
		w.warnSuperfluous()
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		return // The gateway has no use for informational answers.
	}
	w.status = status
	w.takeHeader()
}

func (w *responseWriter) warnSuperfluous() {
	where := ""
	if _, file, line, ok := runtime.Caller(2); ok {
		where = fmt.Sprintf(" at %s:%d", file, line)
	}
	instance.Here.Warn(w.inv, "http: superfluous WriteHeader call"+where)
}

// takeHeader writes the header down: what the handler changes later has no effect.
func (w *responseWriter) takeHeader() {
	names := make([]string, 0, len(w.header))
	for name := range w.header {
		names = append(names, name)
	}
	sort.Strings(names)
	isSwitch := w.status == http.StatusSwitchingProtocols
	block := make([]byte, 0, 256)
	for _, name := range names {
		if strings.HasPrefix(name, http.TrailerPrefix) || (hopHeaders[name] && !(isSwitch && name == "Upgrade")) {
			continue
		}
		values := w.header[name]
		switch name {
		case "Content-Length":
			w.declareLength(values)
			continue
		case "Content-Type":
			w.typed = true
		case "Trailer":
			w.announceTrailers(values)
		case "Content-Encoding":
			// Of compressed bytes nothing can be told.
			w.typed = w.typed || (len(values) > 0 && values[0] != "")
		}
		for _, value := range values {
			block = appendHeader(block, name, value)
		}
	}
	w.block = block
}

func (w *responseWriter) declareLength(values []string) {
	if len(values) == 0 {
		return
	}
	length, err := strconv.ParseInt(textproto.TrimString(values[0]), 10, 64)
	if err != nil || length < 0 {
		instance.Here.Warn(w.inv, fmt.Sprintf("http: invalid Content-Length of %q", values[0]))
		return
	}
	w.contentLength = length
}

func (w *responseWriter) announceTrailers(values []string) {
	for _, value := range values {
		for _, name := range strings.Split(value, ",") {
			if name = textproto.TrimString(name); name != "" {
				w.trailing = append(w.trailing, textproto.CanonicalMIMEHeaderKey(name))
			}
		}
	}
}

// trailers gives what is to follow the body: headers that were announced, and those with http.TrailerPrefix.
func (w *responseWriter) trailers() []byte {
	var block []byte
	add := func(name string, values []string) {
		for _, value := range values {
			block = appendHeader(block, name, value)
		}
	}
	for _, name := range w.trailing {
		add(name, w.header[name])
	}
	for name, values := range w.header {
		if plain, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			add(plain, values)
		}
	}
	return block
}

var lineBreaks = strings.NewReplacer("\n", " ", "\r", " ")

// appendHeader writes a header line in latin1, as the protocol has it; a value in UTF-8 keeps its bytes.
func appendHeader(block []byte, name, value string) []byte {
	block = append(block, name...)
	block = append(block, ": "...)
	if strings.ContainsAny(value, "\r\n") {
		value = lineBreaks.Replace(value)
	}
	block = append(block, textproto.TrimString(value)...)
	return append(block, "\r\n"...)
}

// takesBody says whether the answer may have one.
func (w *responseWriter) takesBody() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

func (w *responseWriter) isHead() bool {
	return w.inv.HTTP.Method == http.MethodHead
}

func (w *responseWriter) Write(p []byte) (int, error) { return w.write(p) }

func (w *responseWriter) WriteString(s string) (int, error) { return w.write([]byte(s)) }

func (w *responseWriter) write(p []byte) (int, error) {
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !w.takesBody() {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.contentLength >= 0 && w.written > w.contentLength {
		w.written -= int64(len(p))
		return 0, http.ErrContentLength
	}
	if w.buffer == nil {
		w.buffer = buffers.Get().(*[]byte)
	}
	if len(*w.buffer)+len(p) <= bufferBytes {
		*w.buffer = append(*w.buffer, p...)
		return len(p), nil
	}
	if err := w.flush(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush sends what has gathered, and then more.
func (w *responseWriter) flush(more []byte) error {
	var gathered []byte
	if w.buffer != nil {
		gathered = *w.buffer
		defer func() { *w.buffer = (*w.buffer)[:0] }()
	}
	if w.isHead() {
		gathered, more = nil, nil
	}
	if !w.sent {
		first := gathered
		if len(first) == 0 {
			first, more = more, nil
		}
		w.sniff(first)
		if w.contentLength >= 0 {
			w.block = appendHeader(w.block, "Content-Length", strconv.FormatInt(w.contentLength, 10))
		}
		w.sent = true
		if err := w.inv.Respond(w.status, w.block, first, false); err != nil {
			return err
		}
	} else if len(gathered) > 0 {
		if err := w.inv.WriteBody(gathered, false); err != nil {
			return err
		}
	}
	if len(more) > 0 {
		return w.inv.WriteBody(more, false)
	}
	return nil
}

func (w *responseWriter) sniff(first []byte) {
	if w.typed || len(first) == 0 || !w.takesBody() {
		return
	}
	if len(first) > sniffBytes {
		first = first[:sniffBytes]
	}
	w.block = appendHeader(w.block, "Content-Type", http.DetectContentType(first))
}

func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError sends what has gathered, the head first.
func (w *responseWriter) FlushError() error {
	if w.hijacked {
		return http.ErrHijacked
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.flush(nil)
}

// EnableFullDuplex has nothing to do: a request's body can be read while its answer is written.
func (w *responseWriter) EnableFullDuplex() error { return nil }

// ReadFrom sends what a reader gives as it comes.
func (w *responseWriter) ReadFrom(source io.Reader) (int64, error) {
	chunk := make([]byte, copyBytes)
	var total int64
	for {
		n, err := source.Read(chunk)
		if n > 0 {
			written, writeErr := w.write(chunk[:n])
			total += int64(written)
			if writeErr != nil {
				return total, writeErr
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return total, err
		}
	}
}

// finish ends the answer after the handler has returned.
func (w *responseWriter) finish() {
	if w.hijacked {
		return
	}
	if w.buffer != nil {
		defer func() {
			*w.buffer = (*w.buffer)[:0]
			buffers.Put(w.buffer)
		}()
	}
	if w.inv.Cancelled() != nil {
		w.inv.End()
		return
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	trailers := w.trailers()
	if len(trailers) > 0 && !w.sent && w.contentLength < 0 && w.takesBody() && !w.isHead() {
		// Only a body without a length has room for them.
		_ = w.flush(nil)
	}
	if w.sent {
		var gathered []byte
		if w.buffer != nil && !w.isHead() {
			gathered = *w.buffer
		}
		if len(trailers) > 0 {
			_ = w.inv.WriteBody(gathered, false)
			_ = w.inv.WriteTrailers(trailers)
			gathered = nil
		}
		_ = w.inv.WriteBody(gathered, true)
		w.inv.End()
		return
	}
	var whole []byte
	if w.buffer != nil {
		whole = *w.buffer
	}
	w.sniff(whole)
	if w.takesBody() && w.contentLength < 0 && (!w.isHead() || len(whole) > 0) {
		w.contentLength = int64(len(whole))
	}
	if w.contentLength >= 0 && w.status != http.StatusNoContent {
		w.block = appendHeader(w.block, "Content-Length", strconv.FormatInt(w.contentLength, 10))
	}
	if w.isHead() {
		whole = nil
	}
	w.sent = true
	_ = w.inv.Respond(w.status, w.block, whole, true)
	// Does nothing unless the answer was cancelled meanwhile.
	w.inv.End()
}

// Hijack gives the handler the connection, for WebSockets. An answer that was begun with status 101 is sent;
// otherwise the handler's first bytes are the answer's head.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	if w.sent || (w.status != 0 && w.status != http.StatusSwitchingProtocols) {
		return nil, nil, errors.New("the answer has begun: the connection cannot be taken over")
	}
	w.hijacked = true
	conn, err := hijack(w.inv, w.status, w.block)
	if err != nil {
		return nil, nil, err
	}
	return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
}
