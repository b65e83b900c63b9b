package boot

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestEnvIsReadAsJSONHasIt(t *testing.T) {
	env := map[string]string{
		"PLAIN": "a b", "EMPTY": "", "ESCAPES": "\" \\ / \b \f \n \r \t \u0001 \u2028", "UNICODE": "é 😀 \uFFFD",
	}
	message, _ := json.Marshal(map[string]any{
		"app": "x", "list": []any{1, "]", map[string]any{"env": "no"}, []any{}}, "number": -1.5e3, "nothing": nil,
		"env": env, "zeta": map[string]any{},
	})
	got := map[string]string{}
	(&reader{text: message}).eachEnv(func(name, value string) { got[name] = value })
	if !reflect.DeepEqual(got, env) {
		t.Fatalf("got %q, want %q", got, env)
	}
	surrogates := []byte(`{"env":{"A":"\ud83d\ude00\u00e9"}}`)
	(&reader{text: surrogates}).eachEnv(func(name, value string) { got[name] = value })
	if got["A"] != "😀é" {
		t.Fatalf("got %q", got["A"])
	}
}

func FuzzReaderEnds(f *testing.F) {
	for _, seed := range []string{`{"env":{"A":"b"}}`, `{"a":[1,{"b":"\u12`, `{"env":{"A":1}}`, `[`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		(&reader{text: message}).eachEnv(func(string, string) {})
	})
}
