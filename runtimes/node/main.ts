/**
 * The program that runs inside a sandbox: it loads one version of one function and answers its invocations.
 * Descriptor 3 is the connection to the platform; `src/model/frames.ts` is what is said over it.
 *
 * It promises: what the code prints belongs to the invocation that printed it; an error ends its own invocation
 * at once, with the author's source line in the log; bodies stream both ways with bounded memory; when the
 * platform goes away, so does this process.
 *
 * Deliberately absent: any protection against the author's code, which runs in this same process and can say
 * anything over the channel. Containing it is the work of the sandbox and of the platform's parsers.
 */
import {
  type BootMessage,
  CALL_STREAM,
  FRAME,
  PROTOCOL_VERSION,
  type ReadyMessage,
} from '../../src/model/frames.ts';
import { boot, prepare } from './boot.ts';
import { Calls } from './calls.ts';
import { Channel } from './channel.ts';
import { OutputCapture } from './console.ts';
import { installEgress } from './egress.ts';
import { describeFailure, failureText } from './failure.ts';
import type { Handler, HandlerDeps } from './handler.ts';
import { type CameCall, HeldCalls } from './held-calls.ts';
import { current, type Invocation, Invocations } from './invocations.ts';

const CHANNEL_FD = 3;
/** How long SIGTERM listeners of the author's code may take for their clean-up. */
const CLEAN_UP_MS = 2_000;

const { reallyExit } = process as unknown as { reallyExit(code?: number): never };

class Runtime implements HandlerDeps {
  readonly channel: Channel;
  readonly invocations: Invocations;
  readonly output: OutputCapture;
  readonly #calls: Calls;
  readonly #held: HeldCalls;
  #handler: Handler | undefined;
  #boot: BootMessage | undefined;
  #prepared: Promise<void> = Promise.resolve();
  #failed = false;
  #retiring = false;

  constructor() {
    this.channel = new Channel(
      CHANNEL_FD,
      (kind, flags, stream, payload) => this.#onFrame(kind, flags, stream, payload),
      // Whatever still holds this process: nobody is there to answer.
      () => reallyExit.call(process, 1),
    );
    this.invocations = new Invocations(this.channel);
    this.output = new OutputCapture(this.channel);
    this.invocations.flushPartial = (invocation) => this.output.flushPartial(invocation);
    this.#held = new HeldCalls(this.channel, (call) => this.#begin(call));
    this.invocations.onEnded = (stream) => this.#held.ended(stream);
    this.output.install();
    this.#calls = new Calls(this.channel);
    this.#calls.install();
    // `process.exit` ends here, after its own listeners: what was logged must still arrive.
    (process as unknown as { reallyExit(code?: number): void }).reallyExit = (code) => {
      this.output.finish();
      this.channel.flushSync();
      reallyExit.call(process, code);
    };
    process.on('uncaughtException', (error) => this.#onUncaught(error, true));
    process.on('unhandledRejection', (reason) => this.#onUncaught(reason, false));
  }

  /** Loads everything that does not depend on the author's code, and says so. */
  wait(): void {
    this.#prepared = prepare(this.channel, () => this.#boot !== undefined).then(
      () => {
        this.channel.frame(FRAME.WAITING, 0, 0);
        this.channel.flush();
      },
      // What is wrong shows when the code is loaded.
      () => {},
    );
  }

  fail(invocation: Invocation, thrown: unknown): void {
    if (invocation.cancelled) {
      // Most often its own AbortError: nobody waits for it.
      invocation.end();
      return;
    }
    this.logFailure(thrown, invocation);
    if (!invocation.ended) invocation.fail(describeFailure(thrown, 'E_FUNCTION_ERROR'));
  }

  logFailure(thrown: unknown, invocation: Invocation | undefined): void {
    this.output.report('error', failureText(thrown), invocation);
  }

  #onFrame(kind: number, flags: number, stream: number, payload: Buffer): void {
    if (stream === 0) {
      this.#onInstanceFrame(kind, payload);
      return;
    }
    const last = (flags & 1) !== 0;
    if (stream >= CALL_STREAM) {
      this.#calls.onFrame(kind, stream, payload, last);
      return;
    }
    if (kind === FRAME.HTTP_REQUEST || kind === FRAME.EVENT) {
      this.#held.came({ stream, isHttp: kind === FRAME.HTTP_REQUEST, payload, last });
      return;
    }
    if (kind === FRAME.CANCEL && this.#held.cancel(stream)) return;
    const invocation = this.invocations.get(stream);
    if (invocation === undefined) return;
    try {
      if (kind === FRAME.BODY) invocation.receive(payload, last);
      else if (kind === FRAME.TRAILERS) invocation.trailers = payload.toString('latin1');
      else if (kind === FRAME.CREDIT) invocation.credit(payload.readUInt32LE(0));
      else if (kind === FRAME.CANCEL) invocation.cancel(payload[0] ?? 0);
    } catch (thrown) {
      // A listener of the author's code threw while it was told: what Node would call an uncaught exception.
      this.#uncaughtIn(invocation, thrown, true);
    }
  }

  #begin({ stream, isHttp, payload, last }: CameCall): void {
    const invocation = this.invocations.start(stream, isHttp, payload, last);
    try {
      if (isHttp) this.#handler!.onHttp(invocation);
      else this.#handler!.onEvent(invocation);
    } catch (thrown) {
      this.fail(invocation, thrown);
    }
  }

  /** Whether invocations come one at a time, as the platform reads BOOT and READY. */
  get #isSerial(): boolean {
    const kind = this.#handler?.kind;
    const usual = kind === 'lambda' || kind === 'plain' ? 1 : Number.POSITIVE_INFINITY;
    return (this.#boot?.concurrency ?? this.#handler?.concurrency ?? usual) === 1;
  }

  #onInstanceFrame(kind: number, payload: Buffer): void {
    if (kind === FRAME.BOOT) this.#start(JSON.parse(payload.toString()) as BootMessage);
    else if (kind === FRAME.PING) this.channel.frame(FRAME.PONG, 0, 0);
    else if (kind === FRAME.AHEAD && this.#isSerial) this.#held.hold(this.invocations.onlyStream);
    else if (kind === FRAME.REST) this.#rest();
    else if (kind === FRAME.DRAIN) this.#drain();
  }

  /** Calls of the platform need no look: it knows of those. */
  #rest(): void {
    if (this.invocations.isIdle && !this.#retiring) this.channel.frame(FRAME.RESTING, 0, 0);
  }

  #start(message: BootMessage): void {
    this.#boot = message;
    this.#prepared
      .then(() => boot(message, this.channel, this))
      .then(
        (handler) => {
          if (this.#failed) return;
          this.#handler = handler;
          const ready: ReadyMessage = {
            protocol: PROTOCOL_VERSION,
            handlerKind: handler.kind,
            ...(handler.concurrency === undefined ? {} : { concurrency: handler.concurrency }),
          };
          this.channel.json(FRAME.READY, 0, 0, ready);
          this.invocations.reportMemory();
          this.channel.flush();
        },
        (thrown) => this.#failBoot(thrown),
      );
  }

  #failBoot(thrown: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.logFailure(thrown, undefined);
    this.channel.json(FRAME.BOOT_FAILED, 0, 0, describeFailure(thrown, 'E_BOOT_FAILED'));
    process.exit(1);
  }

  #onUncaught(thrown: unknown, isException: boolean): void {
    this.#uncaughtIn(current.getStore(), thrown, isException);
  }

  #uncaughtIn(invocation: Invocation | undefined, thrown: unknown, isException: boolean): void {
    if (this.#handler === undefined) {
      this.#failBoot(thrown);
      return;
    }
    if (invocation === undefined) this.logFailure(thrown, undefined);
    else this.fail(invocation, thrown);
    // After an exception that nobody caught, the state of the process is not to be trusted with new work.
    if (isException) this.#retire('an exception was not caught');
  }

  #retire(reason: string): void {
    if (this.#retiring) return;
    this.#retiring = true;
    this.channel.json(FRAME.RETIRE, 0, 0, { reason });
    this.#held.retire();
  }

  /** Finishes what runs, lets the author's code clean up, and ends. */
  async #drain(): Promise<void> {
    if (this.#retiring && this.#failed) return;
    this.#retiring = true;
    await within(this.invocations.idle(), this.#boot?.timeoutMs ?? 0);
    if (process.listenerCount('SIGTERM') > 0) {
      const idle = new Promise<void>((resolve) => {
        process.once('beforeExit', () => resolve());
      });
      this.channel.keepAlive(false);
      process.emit('SIGTERM', 'SIGTERM', 15);
      await within(idle, CLEAN_UP_MS);
    }
    process.exit(0);
  }
}

/** Waits, but not longer than the given time. */
function within(work: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    timer.unref();
    work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

installEgress();
new Runtime().wait();
