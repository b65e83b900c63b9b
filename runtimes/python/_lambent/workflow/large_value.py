"""
Values that are too large for a message. To the code they are payloads like others; in a message there is only their
name, and their text goes ahead of it in pieces (src/model/workflow-wire.ts).
"""
from hashlib import sha256

PIECE_BYTES_MAX = 64 * 1024


class LargeValue(dict):
    def __init__(self, data):
        super().__init__(blob=sha256(data).hexdigest(), bytes=len(data))
        self.data = data

    def pieces(self):
        for at in range(0, len(self.data), PIECE_BYTES_MAX):
            yield self.data[at : at + PIECE_BYTES_MAX]


def large_values_of(acts):
    """The large values that acts name."""
    for act in acts:
        outcome = act.get("outcome", act)
        for payload in (outcome.get("output"), outcome.get("input"), act.get("task", outcome).get("input")):
            if isinstance(payload, LargeValue):
                yield payload
