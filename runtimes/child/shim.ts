/**
 * What runs in an instance whose code is a program of its own, in whatever language: this process speaks to the
 * platform over descriptor 3, and to the program in a way that it knows already. `bootstrap/` speaks the AWS Lambda
 * Runtime API, `command/` proxies HTTP.
 *
 * It promises: the program is started unmodified, with a clean environment and no descriptor of the platform's; what
 * it prints belongs to the invocation that runs, where only one does; when it ends, the instance ends in the same
 * way, and the other way round.
 *
 * Deliberately absent: any protection against the program. Containing it is the work of the sandbox and of the
 * platform's parsers.
 */
import { dirname } from 'node:path';
import {
  type BootMessage,
  CALL_STREAM,
  FLAG_FIN,
  FRAME,
  PROTOCOL_VERSION,
  type ReadyMessage,
  SEVERITIES,
} from '../../src/model/frames.ts';
import { Calls } from '../node/calls.ts';
import { Channel } from '../node/channel.ts';
import { structuredSeverity } from '../node/console.ts';
import { describeFailure } from '../node/failure.ts';
import type { Handler } from '../node/handler.ts';
import { type Invocation, Invocations } from '../node/invocations.ts';
import { openLocalProxy } from './local-proxy.ts';
import { Program, type ProgramEnd, type ProgramOptions } from './program.ts';

const CHANNEL_FD = 3;
/** Many languages log everything to standard error, access logs too: a line there is no error for that alone. */
const INFO = SEVERITIES.indexOf('info');
/** Where programs are looked for that the author's code starts by name; `node` is the one that runs this. */
const PATH = [dirname(process.execPath), process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':');

/** By then the end of a process that broke its connections has been noticed. */
const SEEN_TO_END_MS = 50;

const { setTimeout, clearTimeout } = globalThis;

/** How a kind of program is run. */
export type BootProgram = (message: BootMessage, shim: Shim) => Promise<Handler>;

export class Shim {
  readonly channel: Channel;
  readonly invocations: Invocations;
  readonly calls: Calls;
  readonly #boot: BootProgram;
  #program: Program | undefined;
  #handler: Handler | undefined;
  #timeoutMs = 0;
  /** Variables that name the way to the network. */
  #network: Record<string, string> = {};
  #ending = false;

  constructor(boot: BootProgram) {
    this.#boot = boot;
    this.channel = new Channel(
      CHANNEL_FD,
      (kind, flags, stream, payload) => this.#onFrame(kind, flags, stream, payload),
      () => process.exit(1),
    );
    this.invocations = new Invocations(this.channel);
    this.calls = new Calls(this.channel);
  }

  /** Everything is loaded that does not depend on the author's program. */
  wait(): void {
    this.channel.frame(FRAME.WAITING, 0, 0);
    this.channel.flush();
  }

  /** Starts the author's program. Its end is the end of this process, in the same way. */
  start(
    options: Pick<ProgramOptions, 'command' | 'cwd' | 'env'>,
    onEndAtBoot: (end: ProgramEnd) => void,
  ): Program {
    const { TMPDIR } = process.env;
    const program = new Program({
      ...options,
      env: {
        PATH,
        LANG: 'C.UTF-8',
        ...(TMPDIR === undefined ? {} : { TMPDIR, HOME: TMPDIR }),
        ...this.#network,
        ...options.env,
      },
      onLine: (text, toStderr) =>
        this.channel.log(this.invocations.onlyStream, toStderr, structuredSeverity(text) ?? INFO, text),
      onEnd: (end) => {
        if (this.#ending) return;
        if (this.#handler === undefined) onEndAtBoot(end);
        else this.#exitLike(end);
      },
    });
    this.#program = program;
    this.invocations.measurePeakKb = () => program.peakKb();
    return program;
  }

  fail(invocation: Invocation, thrown: unknown): void {
    if (invocation.cancelled) invocation.end();
    else invocation.fail(describeFailure(thrown, 'E_FUNCTION_ERROR'));
  }

  /** A connection may break a moment before its program is seen to end; then the end is what happened. */
  failUnlessEnding(invocation: Invocation, thrown: unknown): void {
    setTimeout(() => {
      if (this.#program?.hasExited !== true && !invocation.ended) this.fail(invocation, thrown);
    }, SEEN_TO_END_MS);
  }

  #onFrame(kind: number, flags: number, stream: number, payload: Buffer): void {
    if (stream === 0) {
      if (kind === FRAME.BOOT) void this.#start(JSON.parse(payload.toString()) as BootMessage);
      else if (kind === FRAME.PING) this.channel.frame(FRAME.PONG, 0, 0);
      else if (kind === FRAME.REST && this.invocations.isIdle) this.channel.frame(FRAME.RESTING, 0, 0);
      else if (kind === FRAME.DRAIN) void this.#drain();
      return;
    }
    const last = (flags & FLAG_FIN) !== 0;
    if (stream >= CALL_STREAM) this.calls.onFrame(kind, stream, payload, last);
    else if (kind === FRAME.HTTP_REQUEST || kind === FRAME.EVENT)
      this.#open(this.invocations.start(stream, kind === FRAME.HTTP_REQUEST, payload, last));
    else {
      const invocation = this.invocations.get(stream);
      if (invocation === undefined) return;
      if (kind === FRAME.BODY) invocation.receive(payload, last);
      else if (kind === FRAME.TRAILERS) invocation.trailers = payload.toString('latin1');
      else if (kind === FRAME.CREDIT) invocation.credit(payload.readUInt32LE(0));
      else if (kind === FRAME.CANCEL) invocation.cancel(payload[0] ?? 0);
    }
  }

  #open(invocation: Invocation): void {
    try {
      if (invocation.isHttp) this.#handler!.onHttp(invocation);
      else this.#handler!.onEvent(invocation);
    } catch (thrown) {
      this.fail(invocation, thrown);
    }
  }

  async #start(message: BootMessage): Promise<void> {
    this.#timeoutMs = message.timeoutMs;
    try {
      this.#network = await openLocalProxy();
      const handler = await this.#boot(message, this);
      this.#handler = handler;
      const ready: ReadyMessage = { protocol: PROTOCOL_VERSION, handlerKind: handler.kind };
      this.channel.json(FRAME.READY, 0, 0, ready);
      this.channel.flush();
    } catch (thrown) {
      this.#ending = true;
      this.channel.json(FRAME.BOOT_FAILED, 0, 0, describeFailure(thrown, 'E_BOOT_FAILED'));
      this.#exit(1);
    }
  }

  /** No more work comes: what runs may end, then the program may clean up. */
  async #drain(): Promise<void> {
    this.#ending = true;
    await Promise.race([this.invocations.idle(), wait(this.#timeoutMs)]);
    await this.#program?.stop();
    this.#exit(0);
  }

  #exitLike({ code, signal }: ProgramEnd): void {
    this.channel.flushSync();
    if (signal !== null) process.kill(process.pid, signal);
    else process.exit(code ?? 1);
  }

  #exit(code: number): void {
    this.channel.flushSync();
    process.exit(code);
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      clearTimeout(timer);
      resolve();
    }, ms);
    timer.unref();
  });
}

/** How a program ended, for messages. */
export function describeEnd({ code, signal, error }: ProgramEnd): string {
  if (error !== undefined) return `could not be started (${error.code ?? error.message})`;
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}
