// Package boot takes the first message of the platform, before any other package of the program that could look at
// the environment: variables such as `var table = os.Getenv("TABLE")` must find what the author set.
//
// Go initializes packages in the order of their import paths, each after those that it imports ("Package
// initialization" in the language's specification). This one imports nothing that package os does not import as well,
// and its path comes before `os`: so it is done before os, and before whatever imports os. Hence no encoding/json
// here.
package boot

import "syscall"

const (
	channelFD       = 3
	headerBytes     = 12
	payloadBytesMax = 1 << 20
	frameBoot       = 0x01
)

// Message is the payload of BOOT; nil when the platform did not start this program.
var Message []byte

func init() {
	if _, inside := syscall.Getenv("LAMBENT_APP"); !inside || !isSocket() {
		return
	}
	// Programs that the author's code starts must not hold it open.
	syscall.CloseOnExec(channelFD)
	if syscall.SetNonblock(channelFD, false) != nil {
		return
	}
	var header [headerBytes]byte
	if !readAll(header[:]) || header[8] != frameBoot {
		syscall.Exit(1) // The platform is gone, or is none.
	}
	size := int(header[0]) | int(header[1])<<8 | int(header[2])<<16 | int(header[3])<<24
	if size < 0 || size > payloadBytesMax {
		syscall.Exit(1)
	}
	message := make([]byte, size)
	if !readAll(message) {
		syscall.Exit(1)
	}
	Message = message
	(&reader{text: message}).eachEnv(func(name, value string) {
		// A name that the system refuses was refused by the manifest before.
		_ = syscall.Setenv(name, value)
	})
}

func isSocket() bool {
	var facts syscall.Stat_t
	return syscall.Fstat(channelFD, &facts) == nil && facts.Mode&syscall.S_IFMT == syscall.S_IFSOCK
}

func readAll(into []byte) bool {
	for len(into) > 0 {
		n, err := syscall.Read(channelFD, into)
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 {
			return false
		}
		into = into[n:]
	}
	return true
}
