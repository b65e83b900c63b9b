package lambent

import "testing"

func TestMarkWrite(t *testing.T) {
	mark := MarkWrite(3)
	if mark.Comment != "/* lambent:3 */" || mark.Postgres != "SELECT pg_logical_emit_message(true, 'lambent', '3')" {
		t.Fatalf("%+v", mark)
	}
}
