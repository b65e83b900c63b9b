package instance

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	// lineBytesMax: a longer line is cut, and says so.
	lineBytesMax = 64 * 1024
	// One instance may log this much in a second; the rest is dropped and counted.
	logLinesPerSecond = 5_000
	logBytesPerSecond = 4 * 1024 * 1024
	// structuredBytesMax: structured lines longer than this are not searched for their level.
	structuredBytesMax = 32 * 1024
	pipeReadBytes      = 32 * 1024
)

// output turns what the code prints into LOG frames. Lines of package log, and of log/slog by default, belong to
// the call whose goroutine wrote them. os.Stdout and os.Stderr are files, and so know nothing of goroutines: their
// lines belong to the call that runs, if only one does. Descriptors 1 and 2 themselves stay as they are, so that
// the last words of Go's own runtime reach the platform even when the process dies. What is printed to os.Stdout in
// the very moment in which the process ends may be lost: package log is the safer place for last words.
type output struct {
	runtime *Runtime
	pipes   []*outputPipe

	mu       sync.Mutex
	window   time.Time
	lines    int
	bytes    int
	dropped  int
	watching bool
}

func newOutput(runtime *Runtime) *output { return &output{runtime: runtime} }

// inherits keeps the files that os.Stdout and os.Stderr were: one that nothing refers to is closed.
var inherits [2]os.File

// capture puts itself in the place of the process's own output. Before it does, lines go to the descriptors, and reach
// the platform whatever happens.
func (o *output) capture() {
	for i, file := range []*os.File{os.Stdout, os.Stderr} {
		pipe, err := o.newPipe(i == 1)
		if err != nil {
			continue // Lines arrive all the same, by way of the descriptor.
		}
		inherits[i] = *file
		// In place: package log and others have kept the pointer since before this ran.
		*file = *pipe.write
		o.pipes = append(o.pipes, pipe)
		go pipe.watch()
	}
	log.SetOutput(logWriter{o})
}

// settle takes in what was printed so far, so that it leaves before the frame that ends the call. While several
// run, their lines cannot be told apart anyway.
func (o *output) settle() {
	if o.runtime.channel.sharing.Load() > 1 {
		return
	}
	for _, pipe := range o.pipes {
		pipe.settle()
	}
}

// report logs a text of the platform's own, such as an error's stack: not subject to the limits on the author's.
func (o *output) report(severity Severity, text string, inv *Invocation) {
	o.send(inv, true, severity, text)
}

// line logs one text of the author's, which may have several lines.
func (o *output) line(inv *Invocation, toStderr bool, severity Severity, text string) {
	text = strings.TrimSuffix(text, "\r")
	if (inv != nil && inv.isMuted()) || !o.admit(len(text)) {
		return
	}
	o.send(inv, toStderr, severity, text)
}

func (o *output) send(inv *Invocation, toStderr bool, severity Severity, text string) {
	text = cutLine(strings.ToValidUTF8(text, "\uFFFD"))
	var head [10]byte
	if toStderr {
		head[0] = 1
	}
	head[1] = byte(severity)
	binary.LittleEndian.PutUint64(head[2:], math.Float64bits(float64(time.Now().UnixMicro())/1000))
	stream := uint32(0)
	if inv != nil {
		stream = inv.stream
	}
	o.runtime.channel.send(frameLog, 0, stream, head[:], []byte(text))
}

func (o *output) admit(size int) bool {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.window) >= time.Second {
		o.reportDropped()
		o.window, o.lines, o.bytes = now, 0, 0
	}
	o.lines++
	o.bytes += size
	if o.lines <= logLinesPerSecond && o.bytes <= logBytesPerSecond {
		return true
	}
	o.dropped++
	if !o.watching {
		o.watching = true
		time.AfterFunc(time.Second, func() {
			o.mu.Lock()
			o.watching = false
			o.reportDropped()
			o.mu.Unlock()
		})
	}
	return false
}

// reportDropped says how many lines were lost. With the lock held.
func (o *output) reportDropped() {
	if o.dropped == 0 {
		return
	}
	text := fmt.Sprintf("%d log lines were dropped: the function wrote more than %d lines or %d MiB a second",
		o.dropped, logLinesPerSecond, logBytesPerSecond/1024/1024)
	o.dropped = 0
	o.send(nil, true, Warn, text)
}

func cutLine(line string) string {
	if len(line) <= lineBytesMax {
		return line
	}
	note := " … [cut: the line has " + strconv.Itoa(len(line)) + " bytes]"
	end := lineBytesMax - len(note)
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + note
}

// logWriter takes what package log writes, in the goroutine that logs.
type logWriter struct{ output *output }

func (w logWriter) Write(p []byte) (int, error) {
	// What was printed before comes before.
	w.output.settle()
	inv := w.output.runtime.running()
	for _, text := range strings.Split(strings.TrimSuffix(string(p), "\n"), "\n") {
		w.output.line(inv, true, severityOf(text, Info), text)
	}
	return len(p), nil
}

var severities = map[string]Severity{
	"trace": Trace, "debug": Debug, "verbose": Debug, "info": Info, "log": Info, "notice": Info, "warn": Warn,
	"warning": Warn, "err": Error, "error": Error, "critical": Fatal, "fatal": Fatal, "panic": Fatal,
	"dpanic": Fatal, "alert": Fatal, "emergency": Fatal,
}

// severityOf reads the level out of a structured line: JSON with a `level`, or what log/slog writes as text.
func severityOf(line string, otherwise Severity) Severity {
	if len(line) > structuredBytesMax {
		return otherwise
	}
	if strings.HasPrefix(line, "{") {
		if !strings.Contains(line, `"level"`) {
			return otherwise
		}
		var entry struct {
			Level any `json:"level"`
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			return otherwise
		}
		switch level := entry.Level.(type) {
		case string:
			if severity, known := severities[strings.ToLower(level)]; known {
				return severity
			}
		case float64:
			if level >= 10 && level <= 60 {
				return Severity(int(level)/10 - 1)
			}
		}
		return otherwise
	}
	if strings.HasPrefix(line, "time=") {
		_, rest, _ := strings.Cut(line, " level=")
		line = rest
	} else {
		line = strings.TrimLeft(line, "0123456789/:. ")
	}
	word, _, _ := strings.Cut(line, " ")
	switch word {
	case "DEBUG":
		return Debug
	case "INFO":
		return Info
	case "WARN":
		return Warn
	case "ERROR":
		return Error
	}
	return otherwise
}

// outputPipe stands in for os.Stdout or os.Stderr.
type outputPipe struct {
	output   *output
	toStderr bool
	write    *os.File
	raw      syscall.RawConn
	fd       int

	mu     sync.Mutex
	buffer []byte
	rest   []byte
}

func (o *output) newPipe(toStderr bool) (*outputPipe, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	raw, err := read.SyscallConn()
	if err != nil {
		return nil, err
	}
	pipe := &outputPipe{output: o, toStderr: toStderr, write: write, raw: raw, buffer: make([]byte, pipeReadBytes)}
	err = raw.Control(func(fd uintptr) { pipe.fd = int(fd) })
	return pipe, err
}

// watch takes in lines as they come.
func (p *outputPipe) watch() {
	_ = p.raw.Read(func(uintptr) bool {
		p.mu.Lock()
		p.take()
		p.mu.Unlock()
		return false
	})
}

// settle takes in what is there, and a last line without an end too.
func (p *outputPipe) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take()
	if len(p.rest) > 0 {
		p.emit(p.rest)
		p.rest = p.rest[:0]
	}
}

// take reads without waiting. With the lock held, so that lines keep their order.
func (p *outputPipe) take() {
	for {
		n, err := syscall.Read(p.fd, p.buffer)
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 {
			return
		}
		p.cutLines(p.buffer[:n])
		if n < len(p.buffer) {
			return
		}
	}
}

func (p *outputPipe) cutLines(chunk []byte) {
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			break
		}
		if len(p.rest) > 0 {
			p.rest = append(p.rest, chunk[:end]...)
			p.emit(p.rest)
			p.rest = p.rest[:0]
		} else {
			p.emit(chunk[:end])
		}
		chunk = chunk[end+1:]
	}
	p.rest = append(p.rest, chunk...)
	if len(p.rest) > lineBytesMax {
		p.emit(p.rest)
		p.rest = p.rest[:0]
	}
}

func (p *outputPipe) emit(line []byte) {
	severity := Info
	if p.toStderr {
		severity = Error
	}
	text := string(line)
	p.output.line(p.output.runtime.only(), p.toStderr, severityOf(text, severity), text)
}
