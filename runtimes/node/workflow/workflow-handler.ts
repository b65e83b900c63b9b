import { MessageParser, encodeMessage } from '../../../src/model/workflow-wire.ts';
import type { JournalEntry } from '../../../src/model/journal.ts';
import type { Handler, HandlerDeps } from '../handler.ts';
import { current, type Invocation, type Invocations } from '../invocations.ts';
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
  readonly #parser = new MessageParser((text) => this.#onMessage(JSON.parse(text) as PlatformMessage));
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
    if (this.#answered) this.#invocation.write(bytes, false);
    else this.#invocation.result(bytes, false);
    this.#answered = true;
  }

  #onMessage(message: PlatformMessage): void {
    switch (message.kind) {
      case 'open':
        this.#opening = message;
        break;
      case 'history':
        for (const entry of message.entries) this.#history.push(entry);
        break;
      case 'go':
        this.#start();
        break;
      case 'offer':
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
