package main

import (
	"context"
	"log/slog"

	lambent "lambent.dev/go"
)

type pair struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

type sum struct {
	Sum float64 `json:"sum"`
}

// Call it: lambent invoke add --data '{"a": 1, "b": 2}'
func add(ctx context.Context, in pair) (sum, error) {
	slog.InfoContext(ctx, "adding", "a", in.A, "b", in.B)
	return sum{in.A + in.B}, nil
}

func main() { lambent.Start(add) }
