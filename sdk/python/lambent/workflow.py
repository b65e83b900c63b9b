"""
Durable workflows as plain coroutines. What goes through `ctx` is recorded and never done again once its result is:
after a crash the coroutine runs from its beginning and gets the recorded results. So the code between must do the same
each time: what reads clocks, draws random numbers or does I/O belongs into a step (or is `ctx.now`, `ctx.random`,
`ctx.uuid`). All of asyncio works between (`gather`, `TaskGroup`, `timeout`, queues); `asyncio.sleep` is a recorded timer.
"""
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    Awaitable,
    Callable,
    Coroutine,
    Generic,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Tuple,
    TypeVar,
    Union,
    overload,
)

if TYPE_CHECKING:
    from threading import Event
    from typing import Literal
    from uuid import UUID

    #: `False`: one attempt.
    RetryOption = Union["Retry", Literal[False], None]
else:
    RetryOption = Any

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
T = TypeVar("T")
Item = TypeVar("Item")
Input = TypeVar("Input")
Output = TypeVar("Output")

#: Seconds, a timedelta, or a text such as `500ms`, `30s`, `5m`, `1h`, `7d`; at most a year.
Duration = Union[int, float, str, timedelta]


class Retry(NamedTuple):
    """How often and when to try again. A `FatalError`, or an error whose `retryable` is False, is final at once."""

    #: The first attempt included.
    attempts: int = 5
    #: Pause after the first failure.
    initial: Duration = 1
    #: Each pause is this many times the one before.
    factor: float = 2
    #: The longest pause.
    max: Duration = 60
    #: Whether pauses are drawn at random up to their length, so that many do not come back at once.
    jitter: bool = True


class FatalError(Exception):
    """Raised in a step, a workflow or a function: nothing is to try it again."""

    retryable = False


class WorkflowError(Exception):
    """A failure that came through the platform: of a step, a function, a child, a callback."""

    #: `E_FUNCTION_ERROR` for what code raised, `E_TIMEOUT`, `E_EXECUTION_CANCELLED`, …: see docs/errors.md.
    code: str
    #: Name of the error's class where it was raised, such as `ValueError`; otherwise the code.
    error_type: str
    #: The stack where it was raised, its author's own lines first.
    stack_trace: List[str]

    def __init__(self, failure: Any) -> None:
        super().__init__(failure["errorMessage"])
        self.failure = failure
        self.code = failure["code"]
        self.error_type = failure["errorType"]
        self.stack_trace = failure["stackTrace"]

    def __str__(self) -> str:
        return str(self.failure["errorMessage"])


class WorkflowTimeout(WorkflowError, TimeoutError):
    """Something did not end within its time."""


class StepContext:
    """What the code of a step may want to know: `lambent.current_step()`."""

    __slots__ = ("attempt", "idempotency_key", "cancelled")

    def __init__(self, attempt: int, idempotency_key: str, cancelled: "Event") -> None:
        #: From 1.
        self.attempt = attempt
        #: The same for each attempt of this step and for no other: an idempotency key for services outside.
        self.idempotency_key = idempotency_key
        #: Set when the step is no longer wanted: the workflow was cancelled, or its time is over. A step that is a
        #: coroutine is cancelled as asyncio cancels; a plain function looks here.
        self.cancelled = cancelled


step_in_hand: "ContextVar[Optional[StepContext]]" = ContextVar("lambent_step", default=None)


def current_step() -> StepContext:
    """The step whose code asks. Raises RuntimeError outside of one."""
    step = step_in_hand.get()
    if step is None:
        raise RuntimeError("lambent.current_step works in the code of a step")
    return step


class Settled(Generic[T]):
    """How one item of a tolerant `map` ended."""

    __slots__ = ("ok", "_value", "error")

    def __init__(self, ok: bool, value: Optional[T], error: Optional[WorkflowError]) -> None:
        self.ok = ok
        self.error = error
        self._value = value

    @property
    def value(self) -> T:
        """The result. Raises the error where it failed."""
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]


class Callback:
    """A question to the world outside: give the token or the address away, then await the result."""

    def __init__(self, token: str, url: str, ended: Callable[[], Awaitable[Any]]) -> None:
        self.token = token
        #: Where a POST with a JSON body answers.
        self.url = url
        self._ended = ended

    async def result(self) -> Any:
        """The answer. Raises WorkflowTimeout when its time is over."""
        return await self._ended()


class Child:
    """Another execution, begun by this one."""

    def __init__(self, id: str, ended: Callable[[], Awaitable[Any]]) -> None:
        self.id = id
        self._ended = ended

    async def result(self) -> Any:
        """What it ends with. Raises WorkflowError when it fails or is cancelled."""
        return await self._ended()


class WorkflowContext(Protocol):
    """What a workflow's coroutine is given first."""

    #: The id of this execution.
    id: str
    app: str
    workflow: str

    @property
    def cancelled(self) -> bool:
        """Whether the execution is to be cancelled."""
        ...

    @overload
    def step(
        self,
        name: str,
        run: Callable[..., Coroutine[Any, Any, T]],
        *args: Any,
        retry: RetryOption = None,
        timeout: Optional[Duration] = None,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def step(
        self,
        name: str,
        run: Callable[..., T],
        *args: Any,
        retry: RetryOption = None,
        timeout: Optional[Duration] = None,
    ) -> Coroutine[Any, Any, T]:
        """
        Runs `run(*args)` and records its result, which must be JSON of at most 64 MiB. A coroutine runs in the
        process's event loop, a plain function in a thread (64 at once). `timeout`: the longest one attempt may take.
        """
        ...

    def call(
        self, function: str, value: Any = None, *, retry: RetryOption = None, timeout: Optional[Duration] = None
    ) -> Coroutine[Any, Any, Any]:
        """Calls a function of this app. `timeout`: the longest all attempts together may take."""
        ...

    def sleep(self, duration: Duration) -> Coroutine[Any, Any, None]: ...

    def sleep_until(self, moment: Union[datetime, float, str]) -> Coroutine[Any, Any, None]:
        """Until a datetime with a time zone, epoch seconds, or an ISO 8601 text."""
        ...

    def wait_for(
        self, event: str, *, match: Optional[Mapping[str, Any]] = None, timeout: Optional[Duration] = None
    ) -> Coroutine[Any, Any, Any]:
        """The next event of this type on the bus. `match`: an event pattern as in EventBridge, over the whole event."""
        ...

    def callback(self, *, name: Optional[str] = None, timeout: Optional[Duration] = None) -> Callback: ...

    @overload
    def parallel(self, first: Awaitable[A], second: Awaitable[B], /, *, name: str = ...) -> Coroutine[Any, Any, Tuple[A, B]]: ...

    @overload
    def parallel(
        self, first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], /, *, name: str = ...
    ) -> Coroutine[Any, Any, Tuple[A, B, C]]: ...

    @overload
    def parallel(self, *branches: Awaitable[T], name: str = ...) -> Coroutine[Any, Any, List[T]]:
        """Awaits all at once. When one fails, the others are given up and its error is raised."""
        ...

    @overload
    def map(
        self,
        items: Iterable[Item],
        work: Callable[[Item], Awaitable[T]],
        *,
        concurrency: int = ...,
        name: str = ...,
    ) -> Coroutine[Any, Any, List[T]]: ...

    @overload
    def map(
        self,
        items: Iterable[Item],
        work: Callable[[Item], Awaitable[T]],
        *,
        tolerate: Union[int, str],
        concurrency: int = ...,
        name: str = ...,
    ) -> Coroutine[Any, Any, "List[Settled[T]]"]:
        """
        Works on each item, `concurrency` at once (100 unless told otherwise). `tolerate`: how many may fail, a number
        or a share as `'10%'`; with one more, all of it fails.
        """
        ...

    def child(self, workflow: str, value: Any = None, *, timeout: Optional[Duration] = None) -> Child:
        """Begins another workflow of this deployment; `await child.result()` waits for its end."""
        ...

    def start(self, workflow: str, value: Any = None) -> Coroutine[Any, Any, str]:
        """Begins another workflow and leaves it alone. Returns its id once it has begun."""
        ...

    def send(self, execution: str, signal: str, value: Any = None) -> Coroutine[Any, Any, None]:
        """Sends a signal to another execution. Raises WorkflowError `E_EXECUTION_ENDED` if that has ended."""
        ...

    def on_signal(self, name: str, handle: Callable[[Any], None]) -> None:
        """Calls a plain function with each signal of this name, those that came before included."""
        ...

    def receive(self, signal: str, *, timeout: Optional[Duration] = None) -> Coroutine[Any, Any, Any]:
        """The next signal of this name. Raises WorkflowTimeout."""
        ...

    def on_query(self, name: str, answer: Callable[[Any], Any]) -> None:
        """Answers questions about the state, by a plain function that changes nothing."""
        ...

    def on_update(self, name: str, handle: Callable[[Any], Any]) -> None:
        """Like a signal, with an answer to whoever sent it; a coroutine may use `ctx`."""
        ...

    def until(self, condition: Callable[[], bool], *, timeout: Optional[Duration] = None) -> Coroutine[Any, Any, bool]:
        """True once the condition over the workflow's own variables holds, False when the time is over."""
        ...

    def compensate(
        self,
        name: str,
        undo: Callable[..., Any],
        *args: Any,
        retry: RetryOption = None,
        timeout: Optional[Duration] = None,
    ) -> None:
        """
        Says how to undo what was done so far: when the workflow fails or is cancelled, everything said is done, the
        last first, each as a step.
        """
        ...

    def now(self) -> datetime:
        """In UTC: when the latest result came in; the same at each replay."""
        ...

    def random(self) -> float:
        """Uniform in [0, 1); the same at each replay. Not for secrets."""
        ...

    def uuid(self) -> "UUID":
        """Version 4; the same at each replay."""
        ...

    def continue_as_new(self, value: Any = None) -> Any:
        """Ends this execution and goes on as a new one with an empty history. Does not return."""
        ...


class Workflow(Generic[Input, Output]):
    """What `@workflow` makes of a coroutine function."""

    #: By this the platform knows it.
    is_lambent_workflow = True

    def __init__(self, handler: Callable[..., Coroutine[Any, Any, Output]]) -> None:
        code = getattr(handler, "__code__", None)
        # CO_COROUTINE of the inspect module.
        if code is None or not code.co_flags & 0x80:
            raise TypeError(
                f"@workflow takes an `async def`; {getattr(handler, '__name__', handler)!r} is none. "
                "Steps may be plain functions."
            )
        self.handler = handler
        self.__doc__ = handler.__doc__
        self.__name__ = handler.__name__
        self._takes_input = code.co_argcount > 1

    def __call__(self, ctx: WorkflowContext, value: Input) -> Coroutine[Any, Any, Output]:
        return self.handler(ctx, value) if self._takes_input else self.handler(ctx)


@overload
def workflow(handler: Callable[[WorkflowContext, Input], Coroutine[Any, Any, Output]]) -> Workflow[Input, Output]: ...


@overload
def workflow(handler: Callable[[WorkflowContext], Coroutine[Any, Any, Output]]) -> Workflow[None, Output]: ...


def workflow(handler: Callable[..., Coroutine[Any, Any, Any]]) -> Workflow[Any, Any]:
    """Defines a workflow: `@workflow` above `async def order(ctx: WorkflowContext, order: dict)`."""
    return Workflow(handler)
