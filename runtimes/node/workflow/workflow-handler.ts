import {
  encodeMessage,
  encodePiece,
  MessageParser,
  PIECE_BYTES_MAX,
} from '../../../src/model/workflow-wire.ts';
import type { JournalEntry, Payload } from '../../../src/model/journal.ts';
import type { Handler, HandlerDeps } from '../handler.ts';
import { current, type Invocation, type Invocations } from '../invocations.ts';
import { type LargeValue, takeNamed } from './large-value.ts';
import { jsonOf } from './workflow-run.ts';
import type { PlatformMessage, RunMessage } from './run-messages.ts';
import { type AnyWorkflowHandler, type RunningWorkflow, runWorkflow } from './run-workflow.ts';

// The author's code may replace these: the runtime keeps those it started with.
const { setImmediate, setTimeout, clearTimeout } = globalThis;
const { now } = Date;
/** A longer delay would overflow. */
const DELAY_MS_MAX = 2 ** 31 - 1;
/** Executions that one instance keeps hot, unless the manifest says otherwise. */
const CONCURRENCY = 1_000;

/** Runs executions of a workflow: each EVENT is one of them, for as long as it is hot here. */
export function createWorkflowHandler(handler: AnyWorkflowHandler, deps: HandlerDeps): Handler {
  return {
    kind: 'workflow',
    concurrency: CONCURRENCY,
    onEvent: (invocation) =>
      current.run(invocation, () => new HotExecution(handler, invocation, deps.invocations).begin()),
    // The platform starts the execution that a request asks for.
    onHttp: (invocation) => deps.fail(invocation, new Error('a workflow takes no requests')),
  };
}

/** Turns of executions that are not over. */
let turns = 0;

class HotExecution {
  readonly #handler: AnyWorkflowHandler;
  readonly #invocation: Invocation;
  readonly #invocations: Invocations;
  readonly #parser = new MessageParser(
    (text) => this.#onMessage(JSON.parse(text) as PlatformMessage),
    (piece) => this.#pieces.push(Buffer.from(piece)),
  );
  #pieces: Buffer[] = [];
  /** Large values, by name, that the next message names. */
  readonly #values = new Map<string, Buffer>();
  #history: JournalEntry[] = [];
  #opening: Extract<PlatformMessage, { kind: 'open' }> | undefined;
  #running: RunningWorkflow | undefined;
  #answered = false;

  constructor(handler: AnyWorkflowHandler, invocation: Invocation, invocations: Invocations) {
    this.#handler = handler;
    this.#invocations = invocations;
    this.#invocation = invocation;
  }

  begin(): void {
    const invocation = this.#invocation;
    invocation.onBody = () => this.#read();
    invocation.onCancel = () => this.#end();
    this.#read();
  }

  #read(): void {
    const invocation = this.#invocation;
    if (invocation.ended) return;
    for (;;) {
      const piece = invocation.cancelled ? null : invocation.read();
      if (piece === undefined) return;
      if (piece === null) {
        this.#end();
        return;
      }
      this.#parser.push(piece);
    }
  }

  #end(): void {
    this.#running?.run.close();
    this.#invocation.end();
  }

  #send(message: RunMessage): void {
    const bytes = encodeMessage(message);
    for (const value of takeNamed()) this.#sendAhead(value);
    this.#write(bytes);
  }

  #sendAhead(value: LargeValue): void {
    for (let at = 0; at < value.bytes.length; at += PIECE_BYTES_MAX)
      this.#write(encodePiece(value.bytes.subarray(at, at + PIECE_BYTES_MAX)));
    const { blob, bytes } = value;
    this.#write(encodeMessage({ kind: 'payload', payload: { blob, bytes: bytes.length } }));
  }

  #write(bytes: Buffer): void {
    if (this.#answered) this.#invocation.write(bytes, false);
    else this.#invocation.result(bytes, false);
    this.#answered = true;
  }

  /** What names a large value gets it. */
  #filled<Holder extends object>(holder: Holder): Holder {
    const named = holder as { input?: Payload; output?: Payload };
    for (const key of ['input', 'output'] as const) {
      const payload = named[key];
      if (payload === undefined || !('blob' in payload)) continue;
      const text = this.#values.get(payload.blob);
      if (text !== undefined) named[key] = { json: JSON.parse(text.toString('utf8')) as unknown };
    }
    return holder;
  }

  #onMessage(message: PlatformMessage): void {
    switch (message.kind) {
      case 'open':
        this.#opening = message;
        break;
      case 'history':
        for (const entry of message.entries)
          this.#history.push(this.#values.size === 0 ? entry : this.#filled(entry));
        this.#values.clear();
        break;
      case 'payload':
        this.#values.set(message.payload.blob, Buffer.concat(this.#pieces));
        this.#pieces = [];
        break;
      case 'go':
        this.#start();
        break;
      case 'offer':
        if (this.#values.size > 0) for (const { input } of message.offers) this.#filled(input);
        this.#values.clear();
        this.#running?.run.offer(message.offers);
        break;
      case 'committed':
        this.#running?.run.committed(message.ops);
        break;
      case 'query':
        void this.#answer(message);
        break;
      default:
        message satisfies never;
    }
  }

  #start(): void {
    const { record, callbackUrl } = this.#opening!;
    this.#running = runWorkflow(
      this.#handler,
      record,
      this.#history,
      {
        submit: (acts) => this.#send({ kind: 'submit', acts }),
        defer: (task) => this.#defer(task),
        nowMs: () => now(),
        after: (delayMs, task) => {
          const timer = setTimeout(task, Math.min(delayMs, DELAY_MS_MAX));
          return () => clearTimeout(timer);
        },
        replaying: (on) => {
          this.#invocation.muted = on;
        },
      },
      callbackUrl,
    );
    this.#history = [];
  }

  /** With the last turn that is over, what all of them say leaves in one write, and does not wait for another round. */
  #defer(task: () => void): void {
    turns += 1;
    setImmediate(() => {
      turns -= 1;
      task();
      if (turns === 0) this.#invocations.flush();
    });
  }

  async #answer({ query, name, input }: Extract<PlatformMessage, { kind: 'query' }>): Promise<void> {
    const result = await this.#running!.query(name, jsonOf(input));
    this.#send({ kind: 'answer', query, result });
  }
}
