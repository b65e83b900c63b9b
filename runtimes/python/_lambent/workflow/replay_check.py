"""
Holds a replay against its journal. Operations are numbered in the order in which the coroutine opens them, so that
before each recorded input it must have opened exactly as many as it had then, and each must be the same.
"""
from .errors import misuse
from .task_name import task_name


class ReplayCheck:
    def __init__(self, execution, history):
        self._execution = execution
        self._history = history
        self._opened = {entry["op"]: entry for entry in history if entry["kind"] == "opened"}
        # Operations whose end the coroutine itself brought about.
        self._own_ends = {
            entry["op"]
            for entry in history
            if entry["kind"] == "closed" or (entry["kind"] == "completed" and self._is_scope(entry["op"]))
        }
        self._answered = {entry["update"] for entry in history if entry["kind"] == "answered"}
        self._ended = history[-1]["kind"] == "ended"
        # Operations recorded before the place that the replay has come to.
        self._opened_so_far = 0
        self._at = 1
        self._divergence = None
        self._extra = None

    def opened(self, op, task, at):
        """The coroutine opens an operation. False: it is a new one, beyond the journal."""
        recorded = self._opened.get(op)
        if recorded is None:
            if self._extra is None:
                self._extra = {"task": task, "at": at}
            return False
        if _signature(recorded["task"]) != _signature(task) and self._divergence is None:
            self._divergence = self._explain(
                op, f"its history has {_named(recorded)}, but the code began {_named({'task': task, 'at': at})}"
            )
        return True

    def closes(self, op):
        """The coroutine ends an operation. False: that is new."""
        return op in self._own_ends

    def repeats(self, act):
        return self._ended if act["kind"] == "end" else act["update"] in self._answered

    def next(self, last_op):
        """
        The next recorded input, or None when there is none; raises where the coroutine went another way.
        `last_op`: the last operation that it opened.
        """
        if self._divergence is not None:
            raise self._divergence
        while self._at < len(self._history):
            entry = self._history[self._at]
            if entry["kind"] == "opened":
                self._opened_so_far = entry["op"]
            elif self._is_input(entry):
                break
            self._at += 1
        if last_op < self._opened_so_far:
            op = last_op + 1
            raise self._explain(op, f"its history has {_named(self._opened[op])}, but the code did not begin it")
        if self._at >= len(self._history):
            return None
        if last_op > self._opened_so_far:
            raise self._early()
        self._at += 1
        return self._history[self._at - 1]

    def _is_input(self, entry):
        kind = entry["kind"]
        if kind == "completed":
            return not self._is_scope(entry["op"])
        return kind in ("failed", "signalled", "cancelRequested")

    def _is_scope(self, op):
        return self._opened[op]["task"]["kind"] == "scope"

    def _early(self):
        op = self._opened_so_far + 1
        recorded = self._opened.get(op)
        what = recorded or self._extra
        name = "an operation" if what is None else _named(what)
        where = "which is not in its history" if recorded is None else "sooner than its history has it"
        return self._explain(op, f"the code began {name}{',' if recorded is None else ''} {where}")

    def _explain(self, op, what):
        return misuse(
            "E_NON_DETERMINISTIC",
            f"execution {self._execution['id']} of workflow {self._execution['workflow']} went another way at its "
            f"replay, at operation {op}: {what}. Between its operations a workflow must do the same each time: put "
            "what differs (time, chance, environment, I/O) into a step, or use ctx.now, ctx.random and ctx.uuid.",
        )


def _named(opened):
    at = opened.get("at")
    return task_name(opened["task"]) + ("" if at is None else f" ({at})")


def _signature(task):
    """What must be the same at each replay. Inputs may differ in what does not matter to the order of things."""
    kind = task["kind"]
    keys = {
        "step": ("name",),
        "call": ("function",),
        "event": ("event",),
        "child": ("workflow", "waits"),
        "signal": ("name", "execution"),
        "scope": ("form", "name"),
    }.get(kind, ())
    return (kind, *(task[key] for key in keys))
