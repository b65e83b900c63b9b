//go:build linux

package instance

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// What elf(5) says of a file of 64 bits: where its table of segments is, and what is in it.
const (
	elfMagic64         = "\x7fELF\x02\x01"
	elfHeaderBytes     = 64
	elfTypeAt          = 16
	elfTypeFixed       = 2
	elfTableAt         = 32
	elfSegmentsAt      = 56
	elfSegmentsMax     = 64
	elfSegmentBytes    = 56
	elfSegmentLoaded   = 1
	elfSegmentFlagsAt  = 4
	elfSegmentWritable = 2
	elfSegmentPlaceAt  = 16
	elfSegmentSizeAt   = 32
)

// adviseDontNeed is MADV_DONTNEED.
const adviseDontNeed = 4

type pageRange struct{ from, size uintptr }

var (
	codePages     []pageRange
	codePagesRead sync.Once
)

// letGoOfCode takes the program's instructions and constants out of this process. They stay in the system's cache while
// that has room, and come back page by page as they are used. A function's program has several times as much of these
// as of its own memory, and shares them with instances of the same version alone.
func letGoOfCode() {
	codePagesRead.Do(func() { codePages = readCodePages() })
	for _, pages := range codePages {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, pages.from, pages.size, adviseDontNeed)
	}
}

// awaitFreeze waits within one call of the system; a timer of Go's would run code meanwhile. Other goroutines go on.
func awaitFreeze(most time.Duration) {
	pause := syscall.NsecToTimespec(int64(most))
	_ = syscall.Nanosleep(&pause, nil)
}

// readCodePages gives the parts of the running program that nothing can have written to. None, if its place in memory
// is not the one that its file says: then it was changed as it was loaded.
func readCodePages() []pageRange {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil
	}
	defer file.Close()
	var head [elfHeaderBytes + elfSegmentsMax*elfSegmentBytes]byte
	if n, _ := file.ReadAt(head[:], 0); n < elfHeaderBytes {
		return nil
	}
	order := binary.LittleEndian
	segments := int(order.Uint16(head[elfSegmentsAt:]))
	isFixed := string(head[:len(elfMagic64)]) == elfMagic64 && order.Uint16(head[elfTypeAt:]) == elfTypeFixed
	if !isFixed || order.Uint64(head[elfTableAt:]) != elfHeaderBytes || segments > elfSegmentsMax {
		return nil
	}
	var found []pageRange
	page := uint64(os.Getpagesize())
	for number := 0; number < segments; number++ {
		segment := head[elfHeaderBytes+number*elfSegmentBytes:]
		isWritable := order.Uint32(segment[elfSegmentFlagsAt:])&elfSegmentWritable != 0
		if order.Uint32(segment) != elfSegmentLoaded || isWritable {
			continue
		}
		place := order.Uint64(segment[elfSegmentPlaceAt:])
		from := place &^ (page - 1)
		to := (place + order.Uint64(segment[elfSegmentSizeAt:]) + page - 1) &^ (page - 1)
		found = append(found, pageRange{uintptr(from), uintptr(to - from)})
	}
	return found
}

// ownBytes is the memory that this process has for itself; 0 if the system does not tell.
func ownBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
		return 0
	}
	return (resident - shared) * int64(os.Getpagesize())
}
