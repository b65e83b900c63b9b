/** For tests of every language: one instance of a runtime as a child process, and the platform's end of its channel. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import {
  type BootMessage,
  encodeCredit,
  encodeFrame,
  encodeJsonFrame,
  type FailureMessage,
  FLAG_FIN,
  FRAME,
  FrameParser,
  type ReadyMessage,
  SEVERITIES,
  WINDOW_BYTES,
} from '../../src/model/frames.ts';

export const FIXTURES = join(import.meta.dirname, '../node/fixtures');
const NEVER_MS = 4_000_000_000_000;
/** How long a test waits for what must come: a machine that does much else may take seconds over a moment's work. */
const WAIT_MS = 20_000;
export const NODE_COMMAND: readonly [string, ...string[]] = [
  process.execPath,
  join(import.meta.dirname, '../node/main.ts'),
];

export interface LogEntry {
  stream: number;
  from: 'stdout' | 'stderr';
  severity: string;
  text: string;
}

export interface RequestOptions {
  method?: string;
  target?: string;
  headers?: Record<string, string>;
  lines?: string[];
  body?: string | Uint8Array;
  /** False: more of the body follows through `send`. */
  complete?: boolean;
  route?: string;
  params?: string;
  deadlineMs?: number;
  /** False: bytes of the answer are acknowledged by `credit` only. */
  autoCredit?: boolean;
}

/** One stream as the platform sees it. */
export class Exchange {
  readonly stream: number;
  status = 0;
  block = '';
  failure: FailureMessage | undefined;
  ended = false;
  /** Frames that came, by kind, in order. */
  readonly kinds: number[] = [];
  readonly chunks: Buffer[] = [];
  creditGot = 0;
  /** Told of each frame of the answer. */
  onAnswer: ((kind: number, body: Buffer | undefined, last: boolean) => void) | undefined;
  readonly #instance: TestInstance;
  readonly #autoCredit: boolean;
  #wake: (() => void)[] = [];

  constructor(instance: TestInstance, stream: number, autoCredit: boolean) {
    this.#instance = instance;
    this.stream = stream;
    this.#autoCredit = autoCredit;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  /** How much of a body may come before any credit: the head counts against the window too. */
  get firstWindowBytes(): number {
    return WINDOW_BYTES - 8 - this.block.length;
  }

  get headers(): Map<string, string> {
    const pairs = this.block.split('\r\n').filter((line) => line !== '');
    return new Map(
      pairs.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    );
  }

  /** Waits until something is true of this exchange; rejects after `WAIT_MS`. */
  async until(what: (exchange: Exchange) => boolean): Promise<this> {
    const limit = AbortSignal.timeout(WAIT_MS);
    while (!what(this)) {
      await new Promise<void>((resolve, reject) => {
        this.#wake.push(resolve);
        limit.onabort = () =>
          reject(
            new Error(
              `waited in vain: status ${this.status}, ${this.chunks.length} chunks, failure ${JSON.stringify(this.failure)}`,
            ),
          );
      });
    }
    limit.onabort = null;
    return this;
  }

  end(): Promise<this> {
    return this.until(() => this.ended);
  }

  send(body: string | Uint8Array, last: boolean): void {
    this.#instance.write(
      encodeFrame(FRAME.BODY, last ? FLAG_FIN : 0, this.stream, Buffer.from(body as string)),
    );
  }

  credit(bytes: number): void {
    this.#instance.write(encodeCredit(this.stream, bytes));
  }

  cancel(reason: number): void {
    this.#instance.write(encodeFrame(FRAME.CANCEL, 0, this.stream, Uint8Array.of(reason)));
  }

  onFrame(kind: number, last: boolean, payload: Buffer): void {
    this.kinds.push(kind);
    let body: Buffer | undefined;
    if (kind === FRAME.HTTP_RESPONSE) {
      const headEnd = 8 + payload.readUInt32LE(4);
      this.status = payload.readUInt16LE(0);
      this.block = payload.toString('latin1', 8, headEnd);
      body = payload.subarray(headEnd);
    } else if (kind === FRAME.BODY || kind === FRAME.RESULT) body = payload;
    else if (kind === FRAME.CREDIT) this.creditGot += payload.readUInt32LE(0);
    else if (kind === FRAME.FAILED) this.failure = JSON.parse(payload.toString()) as FailureMessage;
    if (body !== undefined && body.length > 0) {
      this.chunks.push(Buffer.from(body));
      if (this.#autoCredit && !last) this.credit(body.length);
    }
    this.ended ||= last || kind === FRAME.FAILED;
    this.onAnswer?.(kind, body, this.ended);
    this.wake();
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

export class TestInstance implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly logs: LogEntry[] = [];
  ready: ReadyMessage | undefined;
  bootFailure: FailureMessage | undefined;
  retired = false;
  /** It takes calls ahead of their turn. */
  holds = false;
  pongs = 0;
  peakKb = 0;
  exitCode: number | null | undefined;
  rawOutput = '';
  readonly #channel: Socket;
  readonly #exchanges = new Map<number, Exchange>();
  readonly #instanceEvents: Exchange;
  #nextStream = 1;

  /** @param command the program with its arguments, where it is not this runtime */
  constructor(boot: Partial<BootMessage>, command: readonly [string, ...string[]] = NODE_COMMAND) {
    this.#instanceEvents = new Exchange(this, 0, false);
    const [program, ...args] = command;
    this.child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH },
    });
    this.#channel = this.child.stdio[3] as Socket;
    this.#channel.on('error', () => {});
    const parser = new FrameParser((kind, flags, stream, payload) =>
      this.#onFrame(kind, flags, stream, payload),
    );
    this.#channel.on('data', (chunk: Buffer) => parser.push(chunk));
    for (const pipe of [this.child.stdout!, this.child.stderr!])
      pipe.on('data', (chunk: Buffer) => (this.rawOutput += chunk.toString()));
    this.child.once('close', (code) => {
      this.exitCode = code;
      this.#instanceEvents.wake();
    });
    const message: BootMessage = {
      protocol: 1,
      app: 'test',
      function: 'fn',
      version: 'fv_1',
      deployment: 1,
      codeDir: FIXTURES,
      entry: 'missing.mjs',
      env: { AWS_LAMBDA_FUNCTION_NAME: 'fn' },
      memoryMb: 128,
      timeoutMs: 3_000,
      ...boot,
    };
    this.write(encodeJsonFrame(FRAME.BOOT, 0, 0, message));
  }

  /** Starts a fixture and waits until it is ready, or fails with what the runtime says. */
  static async start(
    entry: string,
    boot: Partial<BootMessage> = {},
    command: readonly [string, ...string[]] = NODE_COMMAND,
  ): Promise<TestInstance> {
    const instance = new TestInstance({ entry, ...boot }, command);
    await instance.until(
      () =>
        instance.ready !== undefined || instance.bootFailure !== undefined || instance.exitCode !== undefined,
    );
    if (instance.ready === undefined)
      throw new Error(
        `not ready: ${JSON.stringify(instance.bootFailure ?? instance.exitCode)} ${instance.rawOutput}`,
      );
    return instance;
  }

  write(bytes: Buffer): void {
    this.#channel.write(bytes);
  }

  /** What is written meanwhile leaves in one write, and so arrives in one read. */
  together<Result>(write: () => Result): Result {
    this.#channel.cork();
    try {
      return write();
    } finally {
      this.#channel.uncork();
    }
  }

  /** Waits until something is true of the instance. */
  async until(what: () => boolean): Promise<void> {
    await this.#instanceEvents.until(what);
  }

  open(options: RequestOptions = {}): Exchange {
    const {
      method = 'GET',
      target = '/',
      headers = {},
      route = `${method} /`,
      params = '',
      deadlineMs = NEVER_MS,
    } = options;
    const lines = [
      `host: example.test`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      ...(options.lines ?? []),
    ];
    const head = [
      `req_${this.#nextStream}`,
      deadlineMs,
      '192.0.2.7',
      'http',
      route,
      params,
      `${method} ${target}`,
      ...lines,
    ].join('\n');
    return this.#open(FRAME.HTTP_REQUEST, Buffer.from(head, 'latin1'), options);
  }

  /** A whole request and its whole answer. */
  request(options: RequestOptions = {}): Promise<Exchange> {
    return this.open(options).end();
  }

  event(payload: unknown, head: object = {}): Exchange {
    const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const text = JSON.stringify({
      requestId: `req_${this.#nextStream}`,
      deadlineMs: NEVER_MS,
      trigger: 'invoke',
      attempt: 0,
      ...head,
    });
    return this.#open(FRAME.EVENT, Buffer.from(text), { body });
  }

  #open(kind: number, head: Buffer, options: RequestOptions): Exchange {
    const exchange = new Exchange(this, this.#nextStream, options.autoCredit ?? true);
    this.#nextStream += 1;
    this.#exchanges.set(exchange.stream, exchange);
    const size = Buffer.allocUnsafe(4);
    size.writeUInt32LE(head.length);
    const body = Buffer.from((options.body ?? '') as string);
    const complete = options.complete ?? true;
    this.write(
      encodeFrame(kind, complete ? FLAG_FIN : 0, exchange.stream, Buffer.concat([size, head, body])),
    );
    return exchange;
  }

  drain(): void {
    this.write(encodeFrame(FRAME.DRAIN, 0, 0));
  }

  ping(): void {
    this.write(encodeFrame(FRAME.PING, 0, 0));
  }

  closeChannel(): void {
    this.#channel.destroy();
  }

  logText(stream?: number): string {
    return this.logs
      .filter((entry) => stream === undefined || entry.stream === stream)
      .map((entry) => entry.text)
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.exitCode !== undefined) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'close');
  }

  #onFrame(kind: number, flags: number, stream: number, payload: Buffer): void {
    if (kind === FRAME.LOG) {
      this.logs.push({
        stream,
        from: payload[0] === 0 ? 'stdout' : 'stderr',
        severity: SEVERITIES[payload[1]!]!,
        text: payload.toString('utf8', 10),
      });
    } else if (stream !== 0) this.#exchanges.get(stream)?.onFrame(kind, (flags & FLAG_FIN) !== 0, payload);
    else if (kind === FRAME.READY) this.ready = JSON.parse(payload.toString()) as ReadyMessage;
    else if (kind === FRAME.BOOT_FAILED) this.bootFailure = JSON.parse(payload.toString()) as FailureMessage;
    else if (kind === FRAME.HOLDS) this.holds = true;
    else if (kind === FRAME.RETIRE) this.retired = true;
    else if (kind === FRAME.PONG) this.pongs += 1;
    else if (kind === FRAME.STATS) this.peakKb = payload.readUInt32LE(0);
    this.#instanceEvents.wake();
  }
}
