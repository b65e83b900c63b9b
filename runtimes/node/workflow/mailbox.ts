import { failureOfThrown, misuse, toAnswer } from './workflow-errors.ts';
import type { WorkflowRun } from './workflow-run.ts';

interface Message {
  readonly input: unknown;
}

type Listener = (message: Message) => void;

/** Signals, updates and queries of one execution. What comes before anybody asks for it is kept, in order. */
export class Mailbox {
  readonly queries = new Map<string, (input: unknown) => unknown>();
  readonly #run: WorkflowRun;
  readonly #handlers = new Map<string, (input: unknown) => void>();
  readonly #updates = new Map<string, (input: unknown) => unknown>();
  readonly #kept = new Map<string, { readonly input: unknown; readonly update: string | undefined }[]>();
  readonly #takers = new Map<string, Listener[]>();

  constructor(run: WorkflowRun) {
    this.#run = run;
    run.onSignalled = (name, input, update) => this.#receive(name, input, update);
  }

  onSignal(name: string, handle: (input: unknown) => void): void {
    this.#handlers.set(name, handle);
    this.#serve(name);
  }

  onUpdate(name: string, handle: (input: unknown) => unknown): void {
    this.#updates.set(name, handle);
    this.#serve(name);
  }

  /** The next signal of this name. */
  take(name: string): { readonly message: Promise<Message>; forget(): void } {
    let listener: Listener = () => {};
    const message = new Promise<Message>((resolve) => {
      listener = resolve;
    });
    const takers = this.#takers.get(name) ?? [];
    takers.push(listener);
    this.#takers.set(name, takers);
    this.#serve(name);
    return { message, forget: () => takers.splice(takers.indexOf(listener) >>> 0, 1) };
  }

  #receive(name: string, input: unknown, update: string | undefined): void {
    const kept = this.#kept.get(name) ?? [];
    kept.push({ input, update });
    this.#kept.set(name, kept);
    this.#serve(name);
  }

  #serve(name: string): void {
    const kept = this.#kept.get(name) ?? [];
    while (kept.length > 0) {
      const { input, update } = kept[0]!;
      if (update !== undefined) {
        const handle = this.#updates.get(name);
        if (handle === undefined) return;
        kept.shift();
        void this.#update(update, handle, input);
        continue;
      }
      const handle = this.#handlers.get(name);
      const taker = handle === undefined ? this.#takers.get(name)?.shift() : undefined;
      if (handle === undefined && taker === undefined) return;
      kept.shift();
      if (taker !== undefined) taker({ input });
      else handle!(input);
    }
  }

  async #update(update: string, handle: (input: unknown) => unknown, input: unknown): Promise<void> {
    try {
      const output = toAnswer(await handle(input), 'the answer to an update');
      this.#run.act({ kind: 'answer', update, result: { output } });
    } catch (thrown) {
      this.#run.act({ kind: 'answer', update, result: { error: failureOfThrown(thrown) } });
    }
  }

  /** Answers a query out of the function's variables. */
  async answer(name: string, input: unknown): Promise<unknown> {
    const handler = this.queries.get(name);
    if (handler === undefined) {
      const known = [...this.queries.keys()].join(', ');
      throw misuse(
        'E_NOT_FOUND',
        `workflow ${this.#run.execution.workflow} answers no query ${name}${known === '' ? '' : `; it answers ${known}`}`,
      );
    }
    return await handler(input);
  }
}
