package lambent

import "strconv"

// WriteMark is SQL with which a function says which event led it to write: only so does a loop through a table end by
// itself.
type WriteMark struct {
	// Postgres is a statement for PostgreSQL, within the transaction and before its changes.
	Postgres string
	// Comment is what each statement for MariaDB and MySQL begins with.
	Comment string
}

// MarkWrite is for a function that writes to the table that triggers it. depth is the event's attribute `lambentdepth`;
// of an event that came from no table it is 0, and the chain begins anew.
func MarkWrite(depth uint32) WriteMark {
	text := strconv.FormatUint(uint64(depth), 10)
	return WriteMark{
		Postgres: "SELECT pg_logical_emit_message(true, 'lambent', '" + text + "')",
		Comment:  "/* lambent:" + text + " */",
	}
}
