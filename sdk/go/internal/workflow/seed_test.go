package workflow

import (
	"encoding/json"
	"os"
	"testing"
)

// What follows from a seed is the same in every language.
func TestSeed(t *testing.T) {
	text, err := os.ReadFile("../../../../test/fixtures/workflow-cases/seed.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		Seed, Execution, UUID, Token, Child string
		Op                                  int
		AtMS                                float64
		Fractions                           []float64
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	drawn := newChance(expected.Seed)
	for _, fraction := range expected.Fractions {
		if got := drawn.fraction(); got != fraction {
			t.Errorf("fraction %v, not %v", got, fraction)
		}
	}
	if got := drawn.uuid(); got != expected.UUID {
		t.Errorf("uuid %s, not %s", got, expected.UUID)
	}
	if got := callbackToken(expected.Execution, expected.Op, expected.Seed); got != expected.Token {
		t.Errorf("token %s, not %s", got, expected.Token)
	}
	if got := childExecutionID(expected.Op, expected.AtMS, expected.Seed); got != expected.Child {
		t.Errorf("child %s, not %s", got, expected.Child)
	}
}
