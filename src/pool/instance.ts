import type { Clock } from '../base/clock.ts';
import { defectError } from '../base/defects.ts';
import type { LambentError } from '../base/errors.ts';
import type { InstanceId, InvocationId } from '../base/ids.ts';
import {
  type BootMessage,
  CALL_STREAM,
  CANCEL_REASON,
  FRAME,
  FrameParser,
  type ReadyMessage,
} from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import { StreamTable } from '../model/stream-table.ts';
import type { LeaseWaiter, StreamListener, StreamOpening } from '../ports/instance-pool.ts';
import type { PlatformCalls } from '../ports/platform-calls.ts';
import type { SandboxExit, SandboxProcess } from '../ports/sandbox.ts';
import { CallOrder } from './call-order.ts';
import { drainTimeMs } from './drain-time.ts';
import { exitReason, type LastState, wasInterrupted } from './exit-reason.ts';
import { FrameWriter } from './frame-writer.ts';
import { identifyCaller } from './identify-caller.ts';
import { InstanceCalls } from './instance-calls.ts';
import { blockedByAnother, brokeProtocol, didNotEnd, notWanted, timedOut } from './instance-failures.ts';
import { isLast, parseFailure, parseLog, parseReady, tellListener, wrongKind } from './instance-messages.ts';
import type { InstanceEvents, InstanceState } from './instance-events.ts';
import { InstanceOutput } from './instance-output.ts';
import { mayGoBack, type OpenStream, UNCREDITED_MAX } from './open-stream.ts';
import { PongWatch } from './pong-watch.ts';
import { RecentStreams } from './recent-streams.ts';
import { Rest } from './rest.ts';

/** With more bytes than this waiting in memory for one instance, it is too slow to be kept alive. */
const BUFFERED_MAX = 64 * 1024 * 1024;

/** One process of one version: its channel, its streams, its life. */
export class Instance {
  readonly id: InstanceId;
  readonly version: FunctionVersion;
  readonly deployment: number;
  readonly startedMs: number;
  readonly startedMonotonicMs: number;
  state: InstanceState = 'starting';
  ready: ReadyMessage | undefined;
  /** When it last became idle, monotonic; meaningful while it has no streams. */
  idleSinceMs: number;
  served = 0;
  readonly rest = new Rest({
    ask: () => this.#writer!.frame(FRAME.REST, 0, 0, undefined),
    setPace: (pace) => this.#process!.setPace(pace),
  });
  memoryPeakKb = 0;
  readonly calls: InstanceCalls;
  /** Why it ended; set once it is gone. */
  lossReason: LambentError | undefined;
  /** Somebody else ended it while it loaded its code. */
  bootInterrupted = false;
  readonly #clock: Clock;
  readonly #events: InstanceEvents<Instance>;
  readonly #streams = new StreamTable<OpenStream>();
  readonly #parser: FrameParser;
  readonly #output: InstanceOutput;
  #process: SandboxProcess | undefined;
  #writer: FrameWriter | undefined;
  #nextStream = 1;
  /** Streams whose code has not answered, not even in part. */
  #unanswered = 0;
  readonly #recent = new RecentStreams();
  readonly #pong: PongWatch;
  #endReason: LambentError | undefined;
  #killed = false;
  #broken = false;
  /** It said so itself. */
  #retires = false;
  #askedToHold = false;
  /** Set once the instance holds calls ahead of their turn. */
  #order: CallOrder | undefined;
  /** When the last call ended, monotonic. */
  #lastEndMs = 0;

  constructor(
    id: InstanceId,
    version: FunctionVersion,
    deployment: number,
    clock: Clock,
    operations: PlatformCalls,
    events: InstanceEvents<Instance>,
  ) {
    this.id = id;
    this.version = version;
    this.deployment = deployment;
    this.#clock = clock;
    this.#pong = new PongWatch(clock);
    this.#events = events;
    this.startedMs = clock.nowMs();
    this.startedMonotonicMs = clock.monotonicMs();
    this.idleSinceMs = this.startedMonotonicMs;
    this.#parser = new FrameParser((kind, flags, stream, payload) =>
      this.#onFrame(kind, flags, stream, payload),
    );
    this.calls = new InstanceCalls({
      operations,
      frame: (kind, flags, stream, payload) => this.#writer!.frame(kind, flags, stream, payload),
      breach: (what) => this.#breach(what),
      onDefect: (operation, thrown) => events.onDefect(this, `the operation ${operation}`, thrown),
      identify: (stream, signal) =>
        stream >= this.#nextStream ? undefined : identifyCaller(this, this.#recent, stream, signal),
    });
    this.#output = new InstanceOutput({
      clock,
      log: (...line) => events.onLog(this, ...line),
      onlyInvocation: () => this.#onlyInvocation(),
    });
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get active(): number {
    return this.#streams.size;
  }

  /** The invocations that are open in it. */
  get holders(): InvocationId[] {
    return this.#streams.entries().map(({ invocation }) => invocation);
  }

  /** Gives it its process and the code to load. */
  attach(process: SandboxProcess, { boot, preamble }: { boot: BootMessage; preamble?: string }): void {
    this.#process = process;
    this.#writer = new FrameWriter((bytes) => this.#send(process, bytes));
    if (this.#killed) {
      process.kill();
      return;
    }
    if (preamble !== undefined) process.write(Buffer.from(preamble));
    this.#writer.frame(FRAME.BOOT, 0, 0, Buffer.from(JSON.stringify(boot)));
    this.#writer.flush();
  }

  /** It takes calls ahead of their turn. */
  get holds(): boolean {
    return this.#order !== undefined;
  }

  /** Asks it to take calls ahead of their turn, once; only one that runs one at a time. */
  askToHold(): void {
    if (this.#askedToHold) return;
    this.#askedToHold = true;
    this.#writer!.frame(FRAME.AHEAD, 0, 0, undefined);
  }

  /** How long a call that was handed over at `openedMs` (monotonic), and is the one that runs, waited for those before it. */
  heldMs(openedMs: number): number {
    return Math.max(0, this.#lastEndMs - openedMs);
  }

  /** Opens a stream; its number is the answer. Only while ready. */
  open(call: StreamOpening, waiter: LeaseWaiter, isAhead: boolean): number {
    const stream = this.#streams.freeNumber(this.#nextStream, CALL_STREAM);
    this.#nextStream = stream + 1 === CALL_STREAM ? 1 : stream + 1;
    const { invocation, listener, deadlineMs, last } = call;
    const openedMs = this.#clock.monotonicMs();
    this.#unanswered += 1;
    const unansweredAmong = this.#unanswered;
    // biome-ignore format: one object a call
    const entry = { invocation, listener, deadlineMs, openedMs, unansweredAmong, waiter, isAhead, isWhole: last, uncredited: 0 };
    this.#streams.set(stream, entry);
    this.#order?.opened(stream);
    this.#recent.note(stream, invocation, call.origin);
    this.served += 1;
    const encoding = call.kind === FRAME.HTTP_REQUEST ? 'latin1' : 'utf8';
    this.#writer!.request(call.kind, stream, call.head, encoding, call.body, last);
    return stream;
  }

  body(stream: number, chunk: Uint8Array, last: boolean, trailers: string): void {
    if (this.#streams.has(stream)) this.#writer!.body(stream, chunk, last, trailers);
  }

  credit(stream: number, bytes: number): void {
    const entry = this.#streams.get(stream);
    if (bytes <= 0 || entry === undefined) return;
    entry.uncredited -= bytes;
    const payload = Buffer.allocUnsafe(4);
    payload.writeUInt32LE(bytes);
    this.#writer!.frame(FRAME.CREDIT, 0, stream, payload);
  }

  setDeadline(stream: number, deadlineMs: number): void {
    const entry = this.#streams.get(stream);
    if (entry !== undefined) entry.deadlineMs = deadlineMs;
  }

  /** Asks the code to stop working on a stream. The stream counts as active until the instance ends it. */
  cancel(stream: number, reason: number): void {
    const entry = this.#streams.get(stream);
    if (entry?.listener === undefined) return;
    entry.listener = undefined;
    // Nobody waits for an upgraded connection any more: it ends in the time of any other call.
    entry.deadlineMs = Math.min(entry.deadlineMs, this.#clock.nowMs() + this.version.config.timeoutMs);
    this.#writer!.frame(FRAME.CANCEL, 0, stream, Uint8Array.of(reason));
  }

  /** Ends streams whose deadline has passed. Called every few milliseconds while there is work. */
  expire(nowMs: number): void {
    this.#streams.forEach((stream, entry) => {
      // The time of those that wait inside has not begun.
      if (entry.deadlineMs <= nowMs && this.#order?.isHeld(stream) !== true) this.#timeOut(stream, entry);
    });
  }

  /** No new work; ends once idle. */
  retire(): void {
    if (this.state === 'starting') {
      this.kill(notWanted());
      return;
    }
    if (this.state !== 'ready') return;
    this.state = 'retiring';
    if (this.#streams.size === 0) this.#drain();
  }

  /** Ends the process now; its streams hear `reason`. */
  kill(reason: LambentError): void {
    this.#endReason ??= reason;
    this.#killed = true;
    if (this.state !== 'gone') this.state = 'retiring';
    this.#process?.kill();
  }

  onData(chunk: Buffer): void {
    // What it had said before it was ended tells which calls have begun.
    if (this.#broken || (this.#killed && this.#order === undefined)) return;
    try {
      if (this.#parser.push(chunk)) return;
    } catch (thrown) {
      this.#events.onDefect(this, 'a frame of an instance was read', thrown);
      this.kill(defectError());
      return;
    }
    this.#breach('a frame that is too long or not a frame at all');
  }

  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#output.push(stream, chunk);
  }

  onExit(exit: SandboxExit): void {
    if (this.state === 'gone') return;
    this.#output.finish();
    this.state = 'gone';
    const last: LastState = {
      heapExhausted: this.#output.sawHeapExhaustion,
      loading: this.ready === undefined,
      lastWords: this.#output.lastWords(this.#streams.size <= 1 || this.#order !== undefined),
      decided: this.#endReason,
    };
    this.lossReason = exitReason(this.version, exit, last);
    this.bootInterrupted = wasInterrupted(exit, last);
    this.calls.close();
    this.#streams.forEach((stream, entry) => {
      this.#drop(stream, entry);
      if (!this.#broken && this.#order?.isHeld(stream) === true) this.#takeBack(entry);
      else {
        this.#lose(entry.listener, this.lossReason!);
        this.#events.onRoom(this);
      }
    });
    this.#events.onGone(this);
  }

  /** Gives a call that has not begun back to the pool, unless nobody wants it any more. */
  #takeBack({ waiter, listener, openedMs }: OpenStream): void {
    if (listener === undefined) this.#events.onRoom(this);
    else this.#events.onTakenBack(this, waiter, openedMs);
  }

  #send(process: SandboxProcess, bytes: Uint8Array): boolean {
    this.rest.wake();
    const free = process.write(bytes);
    if (!free && process.bufferedBytes > BUFFERED_MAX) this.#breach('it does not read what it is sent');
    return free;
  }

  #drain(): void {
    this.#writer?.frame(FRAME.DRAIN, 0, 0, undefined);
    this.#clock.after(drainTimeMs(this.version.config), () => {
      if (this.state !== 'gone') this.kill(didNotEnd());
    });
  }

  #timeOut(stream: number, entry: OpenStream): void {
    const error = timedOut(this.version);
    this.#drop(stream, entry);
    this.#lose(entry.listener, error);
    this.state = 'retiring';
    this.#events.onRoom(this);
    // Where others only wait for this one, they have not begun, and go elsewhere.
    if (this.#streams.size === 0 || this.#order !== undefined) {
      this.kill(error);
      return;
    }
    // Others work in the same process: they may finish, unless the event loop is blocked for them as well.
    this.#writer!.frame(FRAME.CANCEL, 0, stream, Uint8Array.of(CANCEL_REASON.timeout));
    this.#pong.ask(
      () => this.#writer!.frame(FRAME.PING, 0, 0, undefined),
      () => this.kill(blockedByAnother()),
    );
  }

  /** `listener`: of the stream that ended with it. */
  #breach(what: string, listener?: StreamListener): void {
    const error = brokeProtocol(this.version, what);
    this.#broken = true;
    this.kill(error);
    listener?.onLost(error);
  }

  #onFrame(kind: number, flags: number, stream: number, payload: Buffer): void {
    if (this.#killed && (this.#broken || kind !== FRAME.RETURNED)) {
      if (isLast(kind, flags)) this.#order?.ended(stream);
      return;
    }
    if (stream === 0) {
      this.#onInstanceFrame(kind, payload);
      return;
    }
    if (kind === FRAME.LOG) {
      this.#onLog(stream, payload);
      return;
    }
    if (InstanceCalls.owns(stream)) {
      this.calls.onFrame(kind, flags, stream, payload);
      return;
    }
    const entry = this.#streams.get(stream);
    if (entry === undefined) {
      // Words about a stream that timed out are late, not wrong; a stream that never was is.
      if (stream >= this.#nextStream) this.#breach(`an answer to request ${stream}, which it never got`);
      return;
    }
    if (kind === FRAME.RETURNED) {
      this.#onReturned(stream, entry);
      return;
    }
    const last = isLast(kind, flags);
    if (kind !== FRAME.CREDIT && entry.unansweredAmong > 0) this.#answered(entry);
    if (last) this.#drop(stream, entry);
    else if (kind !== FRAME.CREDIT) {
      entry.uncredited += payload.length;
      if (entry.uncredited > UNCREDITED_MAX) {
        this.#breach('it sends faster than it was allowed to');
        return;
      }
      if (entry.listener === undefined) this.credit(stream, payload.length);
    }
    if (entry.listener !== undefined) {
      try {
        const breach = tellListener(entry.listener, kind, payload, last);
        if (breach !== undefined) this.#breach(breach, last ? entry.listener : undefined);
      } catch (thrown) {
        this.#contain(stream, entry.listener, thrown);
      }
    }
    if (last) this.#afterStream(stream, entry);
  }

  #drop(stream: number, entry: OpenStream): void {
    this.#streams.delete(stream);
    if (entry.unansweredAmong > 0) this.#unanswered -= 1;
  }

  /** The first of an answer is there. What follows takes as long as the one who reads it likes. */
  #answered(entry: OpenStream): void {
    // Where one runs at a time, none of them holds up another.
    if (this.#order === undefined)
      this.#events.onAnswered(this, entry.openedMs, (entry.unansweredAmong + this.#unanswered) / 2);
    this.#unanswered -= 1;
    entry.unansweredAmong = 0;
  }

  #afterStream(stream: number, { openedMs }: OpenStream): void {
    const beganMs = openedMs + (this.#order === undefined ? 0 : this.heldMs(openedMs));
    this.#events.onRoom(this, this.#left(stream) ? beganMs : undefined);
  }

  /** A call is no longer open here, and what waited for it begins. False: it waited itself. */
  #left(stream: number): boolean {
    const order = this.#order;
    const wasHeld = order?.isHeld(stream) === true;
    order?.ended(stream);
    if (wasHeld) return false;
    this.#lastEndMs = this.#clock.monotonicMs();
    const next = order && this.#streams.get(order.running);
    if (next !== undefined) next.deadlineMs += this.heldMs(next.openedMs);
    const isIdle = this.#streams.size === 0;
    if (isIdle || order !== undefined) this.#output.forgetErrors();
    if (isIdle) this.idleSinceMs = this.#lastEndMs;
    if (isIdle && this.state === 'retiring' && !this.#killed) this.#drain();
    return true;
  }

  #onReturned(stream: number, entry: OpenStream): void {
    if (!mayGoBack(entry, this.#retires)) {
      this.#breach('it gave a call back that it had begun, or was to begin');
      return;
    }
    this.#drop(stream, entry);
    this.#left(stream);
    this.#takeBack(entry);
  }

  /** What an answer led to failed inside the platform: its own call ends, and no other. */
  #contain(stream: number, listener: StreamListener, thrown: unknown): void {
    this.#events.onDefect(this, 'an answer of a function was passed on', thrown);
    this.cancel(stream, CANCEL_REASON.responseRefused);
    this.#lose(listener, defectError());
  }

  #lose(listener: StreamListener | undefined, reason: LambentError): void {
    try {
      listener?.onLost(reason);
    } catch (thrown) {
      this.#events.onDefect(this, 'the end of a call was told', thrown);
    }
  }

  #onInstanceFrame(kind: number, payload: Buffer): void {
    switch (kind) {
      case FRAME.LOG:
        this.#onLog(0, payload);
        break;
      case FRAME.STATS:
        if (payload.length === 4) this.memoryPeakKb = payload.readUInt32LE(0);
        else this.#breach('a STATS frame of the wrong size');
        break;
      case FRAME.PONG:
        this.#pong.answered();
        break;
      case FRAME.RESTING:
        if (this.state === 'ready' && this.#streams.size === 0 && !this.calls.areOpen)
          this.rest.answered(this.served);
        break;
      case FRAME.WAITING:
        if (this.state !== 'starting') this.#breach('an unexpected WAITING frame');
        break;
      case FRAME.READY: {
        const ready = parseReady(payload);
        const wrong = ready && wrongKind(this.version, ready);
        if (ready === undefined || this.state !== 'starting') this.#breach('an unexpected READY frame');
        else if (wrong !== undefined) this.#events.onBootFailed(this, wrong);
        else {
          this.ready = ready;
          this.state = 'ready';
          this.#process!.setPace('serving');
          this.#events.onReady(this);
        }
        break;
      }
      case FRAME.BOOT_FAILED: {
        const failure = parseFailure(payload);
        if (failure === undefined || this.state !== 'starting')
          this.#breach('an unexpected BOOT_FAILED frame');
        else this.#events.onBootFailed(this, failure);
        break;
      }
      case FRAME.HOLDS:
        if (!this.#askedToHold || this.holds || this.active > 1) this.#breach('an unexpected HOLDS frame');
        else this.#order = new CallOrder(this.#streams);
        break;
      case FRAME.RETIRE:
        this.#retires = true;
        if (this.state === 'ready') {
          this.retire();
          this.#events.onRetire(this);
        }
        break;
      default:
        this.#breach(`a frame of unknown kind ${kind}`);
    }
  }

  #onLog(stream: number, payload: Buffer): void {
    const line = parseLog(payload);
    if (line === undefined) {
      this.#breach('an unreadable LOG frame');
      return;
    }
    this.#output.line(line, this.#recent.invocationOf(stream));
  }

  /** Raw output belongs to the only running invocation, if there is exactly one. */
  #onlyInvocation(): InvocationId | undefined {
    if (this.#order !== undefined) return this.#recent.invocationOf(this.#order.running);
    return this.#streams.size === 1 ? this.holders[0] : undefined;
  }
}
