"""For functions that write to the table that triggers them."""
from typing import Any, Mapping, NamedTuple


class WriteMark(NamedTuple):
    """SQL with which a function says which event led it to write: only so does a loop through a table end by itself."""

    #: For PostgreSQL: a statement, within the transaction and before its changes.
    postgres: str
    #: For MariaDB and MySQL: a comment that each statement begins with.
    comment: str


def write_mark(event: Mapping[str, Any]) -> WriteMark:
    """
    As in `cursor.execute(write_mark(event).postgres)`, first in the transaction. Of an event that came from no table
    the chain begins anew.
    """
    given = event.get("lambentdepth")
    depth = given if isinstance(given, int) and given > 0 else 0
    return WriteMark(
        postgres=f"SELECT pg_logical_emit_message(true, 'lambent', '{depth:d}')",
        comment=f"/* lambent:{depth:d} */",
    )
