/** What test/isolation-languages.test.ts runs: a function that attacks, as test/hostile-sandbox.ts has it for Node.js. */

export const GO = `package main

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	lambent "lambent.dev/go"
)

type attempt struct {
	Attack string
	With   any
}

type outcome struct {
	Got    any    \`json:"got,omitempty"\`
	Denied string \`json:"denied,omitempty"\`
}

var kept [][]byte
var files []*os.File

func call(with any) (int, error) {
	var arguments [7]uintptr
	for at, each := range with.([]any) {
		arguments[at] = uintptr(int64(each.(float64)))
	}
	result, _, number := syscall.RawSyscall6(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6])
	if number != 0 {
		return -int(number), number
	}
	return int(result), nil
}

func try(what attempt) (any, error) {
	text, _ := what.With.(string)
	switch what.Attack {
	case "read":
		bytes, err := os.ReadFile(text)
		return string(bytes), err
	case "write":
		return "written", os.WriteFile(text, []byte("written"), 0o600)
	case "http":
		answer, err := http.Get(text)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		bytes, err := io.ReadAll(answer.Body)
		return string(bytes), err
	case "call":
		result, err := call(what.With)
		return strconv.Itoa(result), err
	case "calls":
		results := []int{}
		for _, each := range what.With.([]any) {
			result, _ := call(each)
			results = append(results, result)
		}
		return results, nil
	case "kill":
		return "there", syscall.Kill(int(what.With.(float64)), 0)
	case "abstract":
		connection, err := net.Dial("unix", "@"+text)
		if err == nil {
			connection.Close()
		}
		return "connected", err
	case "udp":
		connection, err := net.Dial("udp", text)
		if err != nil {
			return "", err
		}
		defer connection.Close()
		_, err = connection.Write([]byte("secret"))
		return "sent", err
	case "environ":
		bytes, err := os.ReadFile("/proc/1/environ")
		entries := []string{}
		for _, entry := range strings.Split(string(bytes), "\\x00") {
			if strings.Contains(entry, "=") && !strings.HasPrefix(entry, "PWD=") {
				entries = append(entries, entry)
			}
		}
		return entries, err
	case "processes":
		entries, err := os.ReadDir("/proc")
		count := 0
		for _, entry := range entries {
			if _, failed := strconv.Atoi(entry.Name()); failed == nil {
				count++
			}
		}
		return count, err
	case "link":
		if err := os.Symlink(text, "/tmp/link"); err != nil {
			return "", err
		}
		defer os.Remove("/tmp/link")
		bytes, err := os.ReadFile("/tmp/link")
		return string(bytes), err
	case "become":
		return "became", syscall.Setuid(int(what.With.(float64)))
	case "kill_all":
		return "killed", syscall.Kill(-1, syscall.SIGKILL)
	case "open_files":
		most := uint64(what.With.(float64))
		return "raised", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most})
	case "leave":
		return "left", os.WriteFile("/tmp/secret", []byte("written"), 0o600)
	case "leave_process":
		command := exec.Command("/bin/sh", "-c", "trap : TERM HUP; while :; do read x < /dev/zero; done # "+text)
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return "left", command.Start()
	case "end":
		os.Exit(7)
	case "descriptors":
		for {
			file, err := os.Open("/dev/null")
			if err != nil {
				for _, each := range files {
					each.Close()
				}
				return "", err
			}
			files = append(files, file)
		}
	case "fill":
		file, err := os.Create(text)
		for err == nil {
			_, err = file.Write(make([]byte, 1<<20))
		}
		return "", errors.Join(errors.New("not ended"), err)
	case "list_names":
		entries, err := os.ReadDir(text)
		names := []string{}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names, err
	case "flood":
		for _, each := range []string{strings.Repeat("x", 1<<20), strings.Repeat("line\\n", 1<<18)} {
			for range 8 {
				if _, err := os.Stdout.WriteString(each); err != nil {
					return "", err
				}
			}
		}
		return "flooded", nil
	case "abort":
		signal.Reset(syscall.SIGABRT)
		syscall.Kill(syscall.Getpid(), syscall.SIGABRT)
		select {}
	case "device":
		if err := syscall.Mknod(text, syscall.S_IFCHR|0o600, 1<<8|3); err != nil {
			return "", err
		}
		bytes, err := os.ReadFile(text)
		return string(bytes), err
	case "give":
		if err := os.WriteFile(text, []byte("written"), 0o600); err != nil {
			return "", err
		}
		return "given", os.Chown(text, 0, 0)
	case "priority":
		return "raised", syscall.Setpriority(syscall.PRIO_PROCESS, 0, -20)
	case "memfd":
		number := map[string]uintptr{"amd64": 319, "arm64": 279}[runtime.GOARCH]
		file, _, failed := syscall.Syscall(number, uintptr(unsafe.Pointer(&[]byte("x\\x00")[0])), 0, 0)
		if failed != 0 {
			return "", failed
		}
		for {
			if _, err := syscall.Write(int(file), make([]byte, 1<<20)); err != nil {
				return "", err
			}
		}
	case "inodes":
		for at := 0; ; at++ {
			if err := os.WriteFile("/tmp/f"+strconv.Itoa(at), nil, 0o600); err != nil {
				return "", err
			}
		}
	case "breach":
		bytes, err := hex.DecodeString(text)
		if err != nil {
			return "", err
		}
		if _, err = syscall.Write(3, bytes); err != nil {
			return "", err
		}
		select {}
	case "spin_later":
		for range runtime.NumCPU() {
			go func() {
				for {
				}
			}()
		}
		return "replied", nil
	case "tasks":
		for {
			go func() {
				runtime.LockOSThread()
				syscall.Pause()
			}()
			runtime.Gosched()
		}
	}
	for {
		block := make([]byte, 8<<20)
		for at := range block {
			block[at] = 1
		}
		kept = append(kept, block)
	}
}

func main() {
	lambent.Start(func(_ context.Context, what attempt) (outcome, error) {
		got, err := try(what)
		if err != nil {
			return outcome{Denied: err.Error()}, nil
		}
		return outcome{Got: got}, nil
	})
}
`;
