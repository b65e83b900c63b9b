"""Signals, updates and queries of one execution. What comes before anybody asks for it is kept, in order."""
from .errors import answer_of, failure_of, misuse


class Mailbox:
    def __init__(self, run):
        self.queries = {}
        self._run = run
        self._handlers = {}
        self._updates = {}
        self._kept = {}
        self._takers = {}
        run.on_signalled = self._receive

    def on_signal(self, name, handle):
        self._handlers[name] = handle
        self._serve(name)

    def on_update(self, name, handle):
        self._updates[name] = handle
        self._serve(name)

    def take(self, name):
        """A future of the next signal of this name."""
        future = self._run.loop.create_future()
        self._takers.setdefault(name, []).append(future)
        self._serve(name)
        return future

    def _receive(self, name, value, update):
        self._kept.setdefault(name, []).append((value, update))
        self._serve(name)

    def _serve(self, name):
        kept = self._kept.get(name, [])
        while kept:
            value, update = kept[0]
            if update is not None:
                handle = self._updates.get(name)
                if handle is None:
                    return
                kept.pop(0)
                self._run.loop.create_task(self._update(update, handle, value))
                continue
            handle = self._handlers.get(name)
            if handle is not None:
                kept.pop(0)
                if hasattr(handle(value), "__await__"):
                    raise TypeError(f"the handler of signal {name} is async: make it a plain function, or use on_update")
                continue
            takers = self._takers.get(name, [])
            while takers and takers[0].done():
                takers.pop(0)
            if not takers:
                return
            kept.pop(0)
            takers.pop(0).set_result(value)

    async def _update(self, update, handle, value):
        try:
            answer = handle(value)
            if hasattr(answer, "__await__"):
                answer = await answer
            result = {"output": answer_of(answer, "the answer to an update")}
        except BaseException as thrown:  # noqa: B902 - it is the answer
            result = {"error": failure_of(thrown)}
        self._run.act({"kind": "answer", "update": update, "result": result})

    def answer(self, name, value):
        """Answers a query out of the coroutine's variables."""
        handle = self.queries.get(name)
        workflow = self._run.execution["workflow"]
        if handle is None:
            known = ", ".join(self.queries)
            more = f"; it answers {known}" if known else ""
            raise misuse("E_NOT_FOUND", f"workflow {workflow} answers no query {name}{more}")
        answer = handle(value)
        if hasattr(answer, "__await__"):
            getattr(answer, "close", lambda: None)()
            raise misuse("E_NON_DETERMINISTIC", f"query {name} of workflow {workflow} is async: make it a plain function")
        return answer
