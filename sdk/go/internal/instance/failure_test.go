package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

type noCustomer struct{}

func (noCustomer) Error() string   { return "no such customer" }
func (noCustomer) Retryable() bool { return false }

func TestErrorsSayThatTheyAreFinal(t *testing.T) {
	for _, each := range []struct {
		err   error
		final bool
		named string
	}{
		{errors.New("busy"), false, "errorString"},
		{Final(errors.New("gone")), true, "errorString"},
		{fmt.Errorf("order 7: %w", Final(errors.New("gone"))), true, "wrapError"},
		{noCustomer{}, true, "noCustomer"},
	} {
		failure := DescribeError(each.err)
		text, _ := json.Marshal(failure)
		var told map[string]any
		_ = json.Unmarshal(text, &told)
		retryable, tells := told["retryable"]
		if tells != each.final || (tells && retryable != false) || failure.ErrorType != each.named {
			t.Errorf("%v is told as %s", each.err, text)
		}
	}
}
