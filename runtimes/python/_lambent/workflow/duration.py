"""Lengths of time and moments, as authors write them."""
import re
from datetime import datetime, timedelta, timezone

_MS_BY_UNIT = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# A year and a day: whoever waits longer names a date.
_DURATION_MS_MAX = 366 * 86_400_000
_MOMENT_MS_MAX = 8.64e15


def duration_ms(value):
    """Milliseconds of a number of seconds, a timedelta, or a text such as `500ms`, `30s`, `5m`, `1h`, `7d`."""
    ms = None
    if isinstance(value, timedelta):
        ms = value.total_seconds() * 1_000
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        ms = value * 1_000
    elif isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s?(ms|s|m|h|d)", value)
        ms = None if found is None else float(found[1]) * _MS_BY_UNIT[found[2]]
    if ms is None or not 0 <= ms <= _DURATION_MS_MAX:
        raise ValueError(
            "a duration is a timedelta, a number of seconds or a text such as '500ms', '30s', '5m', '1h', '7d', "
            f"at most a year; this one is {value!r}"
        )
    return round(ms)


def limit_ms(value):
    """A duration after which something is over, if there is one."""
    return None if value is None else max(1, duration_ms(value))


def moment_ms(value):
    """Epoch milliseconds of a datetime, of epoch seconds, or of an ISO 8601 text."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone: use datetime(…, tzinfo=timezone.utc)")
        value = value.timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value * 1_000 <= _MOMENT_MS_MAX:
        raise ValueError(f"a moment is a datetime, epoch seconds or an ISO 8601 text, not {value!r}")
    return round(value * 1_000)


def datetime_of(ms):
    return datetime.fromtimestamp(ms / 1_000, timezone.utc)
