package main

import (
	"context"
	"log/slog"

	lambent "lambent.dev/go"
)

type input struct {
	Words []string `json:"words"`
}

func count(ctx context.Context, in input) (map[string]int, error) {
	slog.InfoContext(ctx, "counting", "words", len(in.Words))
	letters := make(map[string]int, len(in.Words))
	for _, word := range in.Words {
		letters[word] = len(word)
	}
	return letters, nil
}

func main() { lambent.Start(count) }
