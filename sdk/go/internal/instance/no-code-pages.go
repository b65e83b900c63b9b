//go:build !linux

package instance

import "time"

// Only Linux freezes processes and says what they have.

func letGoOfCode() {}

func awaitFreeze(time.Duration) {}

func ownBytes() int64 { return 0 }
