//go:build linux

package instance

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestCodePagesAreThoseThatNobodyWrites(t *testing.T) {
	pages := readCodePages()
	here := reflect.ValueOf(readCodePages).Pointer()
	if !anyHolds(pages, here) {
		t.Fatalf("%x does not hold the code of a function at %x", pages, here)
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var access string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &access); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(access, "w") {
			continue
		}
		for _, part := range pages {
			if part.from < to && from < part.from+part.size {
				t.Errorf("%x is writable: %s", part, lines.Text())
			}
		}
	}
}

func anyHolds(pages []pageRange, place uintptr) bool {
	for _, part := range pages {
		if part.from <= place && place < part.from+part.size {
			return true
		}
	}
	return false
}

func TestCodeComesBackAsItIsUsed(t *testing.T) {
	before := sharedPages(t)
	letGoOfCode()
	after := sharedPages(t)
	if after >= before {
		t.Errorf("%d pages of files before, %d after", before, after)
	}
	if text := fmt.Sprintf("%08.3f", 3.14159); text != "0003.142" {
		t.Errorf("%s", text)
	}
}

func sharedPages(t *testing.T) (shared int) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
		t.Fatal(err)
	}
	return shared
}

func TestOwnBytesGrowWithTheHeap(t *testing.T) {
	before := ownBytes()
	block := make([]byte, 32<<20)
	for at := 0; at < len(block); at += 4096 {
		block[at] = 1
	}
	if grown := ownBytes() - before; grown < 16<<20 {
		t.Errorf("32 MB more, and it has grown by %d bytes", grown)
	}
	if block[0] != 1 {
		t.Error("it is kept")
	}
}
