package awslambda

import "testing"

func TestTraceIDIsTheOneOfTheOtherLanguages(t *testing.T) {
	const id = "0199f3a0-5b7e-7c11-8a52-00000000002a"
	const begun = "Root=1-0199f3a0-5b7e7c118a5200000000002a;Parent=8a5200000000002a;Sampled=1"
	const context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"
	const told = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled="
	for traceparent, wanted := range map[string]string{
		"": begun, "nonsense": begun, context + "1": told + "1", context + "0": told + "0",
	} {
		if got := xrayTraceID(id, traceparent); got != wanted {
			t.Errorf("%q: %s, not %s", traceparent, got, wanted)
		}
	}
}
