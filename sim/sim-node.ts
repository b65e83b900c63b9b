import type { Clock, Timer } from '../src/base/clock.ts';
import type { ExecutionId, MintUuid, NodeId } from '../src/base/ids.ts';
import { silentLog } from '../src/base/log.ts';
import type { Random } from '../src/base/random.ts';
import type { ExecutionInput } from '../src/model/execution.ts';
import type { AppName } from '../src/model/function.ts';
import type {
  CreateOutcome,
  DeliverOutcome,
  JournalStore,
  NewExecution,
} from '../src/ports/journal-store.ts';
import type { DeploymentCatalog, WorkflowTarget } from '../src/ports/workflow-catalog.ts';
import type { ProgramSession, WorkflowProgram } from '../src/ports/workflow-program.ts';
import { findCallback, parseCallbackToken } from '../src/workflows/callback-token.ts';
import { WorkflowEngine } from '../src/workflows/engine.ts';
import { runWorkflow } from '../runtimes/node/workflow/run-workflow.ts';
import type { Invariants } from './invariants.ts';
import type { MemoryJournal } from './memory-journal.ts';
import { createPlanWorkflow } from './plan.ts';

/** What the nodes of a simulation share. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly mintUuid: MintUuid;
  readonly journal: MemoryJournal;
  readonly invariants: Invariants;
  readonly earlyAcknowledge: boolean;
  between(from: number, to: number): number;
  chance(share: number): boolean;
  /** Runs a task when all promises that are ready have been served. */
  defer(task: () => void): void;
}

const TARGET: WorkflowTarget = {
  app: 'sim' as AppName,
  workflow: 'plan',
  kind: 'code',
  version: 'v1',
  deployment: 1,
};
const DEPLOYMENT: DeploymentCatalog = {
  workflow: (name) => (name === 'plan' ? TARGET : undefined),
  function: () => undefined,
};

/** One platform process: an engine, its way to the disk, and the code that runs for it. A crash ends all of it at once. */
export class SimNode {
  readonly #world: World;
  readonly #engine: WorkflowEngine;
  readonly #clock: Clock;
  #alive = true;
  /** Writes reach the disk in order. */
  #writtenMs = 0;
  #cut = Number.POSITIVE_INFINITY;
  #writes = 0;

  constructor(world: World) {
    this.#world = world;
    this.#clock = this.#createClock();
    this.#engine = new WorkflowEngine({
      store: this.#createStore(),
      programs: { code: this.#createProgram() },
      catalog: {
        live: () => TARGET,
        names: () => ['plan'],
        known: () => DEPLOYMENT,
        deployment: async () => DEPLOYMENT,
      },
      call: (call) => this.#call('json' in call.input ? call.input.json : undefined),
      clock: this.#clock,
      random: world.random,
      log: silentLog,
      node: world.mintUuid() as NodeId,
      mintUuid: world.mintUuid,
      limits: { hotMax: 64, claimMax: 20 },
    });
  }

  start(): void {
    if (this.#alive) this.#engine.start().catch(() => {});
  }

  wake(): void {
    if (this.#alive) this.#engine.wake();
  }

  /** All that it had in memory is gone. Of what is on the way to the disk a part arrives, in order. */
  crash(): void {
    this.#alive = false;
    this.#cut = this.#writes - Math.floor(this.#world.between(0, 4));
  }

  /** `undefined`: it crashed before it answered. */
  create(execution: NewExecution): Promise<CreateOutcome | undefined> {
    return this.#orCrash(this.#engine.create(execution, this.#clock.nowMs()));
  }

  deliver(id: ExecutionId, input: ExecutionInput): Promise<DeliverOutcome | undefined> {
    return this.#orCrash(this.#engine.deliver(id, input));
  }

  /** Looks from time to time whether the node still lives: promises of a dead one never settle. */
  #orCrash<Value>(work: Promise<Value>): Promise<Value | undefined> {
    return new Promise((resolve) => {
      let settled = false;
      const settle = (value: Value | undefined): void => {
        settled = true;
        resolve(value);
      };
      work.then(settle, () => settle(undefined));
      const look = (): void => {
        if (settled) return;
        if (!this.#alive) settle(undefined);
        else this.#world.clock.after(500, look);
      };
      look();
    });
  }

  #createClock(): Clock {
    const { clock } = this.#world;
    const guarded = (task: () => void) => (): void => {
      if (this.#alive) task();
    };
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, task): Timer => clock.after(delayMs, guarded(task)),
      every: (periodMs, task): Timer => clock.every(periodMs, guarded(task)),
    };
  }

  /** The journal behind a disk and a thread that take their time. */
  #createStore(): JournalStore {
    const { journal, invariants, clock, earlyAcknowledge } = this.#world;
    const reach = (name: keyof JournalStore, args: readonly unknown[]): Promise<unknown> =>
      new Promise((resolve) => {
        const place = this.#writes;
        this.#writes += 1;
        const nowMs = clock.monotonicMs();
        this.#writtenMs = Math.max(
          this.#writtenMs,
          nowMs + this.#world.between(0.1, this.#world.chance(0.02) ? 400 : 4),
        );
        if (earlyAcknowledge && name === 'append') this.#answerLater(resolve, true);
        clock.after(this.#writtenMs - nowMs, () => {
          if (!this.#alive && place >= this.#cut) return;
          const act = journal[name] as (...all: readonly unknown[]) => Promise<unknown>;
          act.call(journal, ...args).then((value) => {
            if (name === 'append') invariants.appended((args[0] as { id: ExecutionId }).id);
            if (name === 'create') invariants.appended((args[0] as { id: ExecutionId }).id);
            this.#answerLater(resolve, value);
          });
        });
      });
    return new Proxy({} as JournalStore, {
      get:
        (_target, name) =>
        (...args: readonly unknown[]) =>
          reach(name as keyof JournalStore, args),
    });
  }

  #answerLater(resolve: (value: unknown) => void, value: unknown): void {
    this.#world.clock.after(this.#world.between(0, 1), () => {
      if (this.#alive) resolve(value);
    });
  }

  #call(input: unknown): Promise<{ status: 'ok'; output: { json: unknown } } | { status: 'throttled' }> {
    return new Promise((resolve) => {
      this.#clock.after(this.#world.between(1, 300), () => {
        if (this.#world.chance(0.1)) resolve({ status: 'throttled' });
        else resolve({ status: 'ok', output: { json: input } });
      });
    });
  }

  #createProgram(): WorkflowProgram {
    return {
      open: (record, history, host): ProgramSession => {
        const running = runWorkflow(
          createPlanWorkflow({
            step: (_ctx, name, key, attempt, fails) => this.#step(record.id, name, key, attempt, fails),
            answerLater: (token, answer) => this.#answerToken(token, answer),
          }) as never,
          record,
          history,
          {
            submit: (acts) => {
              if (this.#alive) this.#sent(() => host.submit({ acts, bytes: 100 }));
            },
            defer: (task) => {
              this.#world.defer(() => {
                if (this.#alive) task();
              });
            },
            nowMs: () => this.#clock.nowMs(),
            after: (delayMs, task) => {
              const timer = this.#clock.after(delayMs, task);
              return () => timer.cancel();
            },
            replaying: () => {},
          },
          '',
        );
        return {
          offer: (offers) => this.#sent(() => running.run.offer(offers)),
          committed: (entries) => {
            const ops = entries.flatMap((entry) => (entry.kind === 'opened' ? [entry.op] : []));
            this.#sent(() => running.run.committed(ops));
          },
          query: async (name, input) => await running.query(name, input),
          close: () => this.#sent(() => running.run.close()),
        };
      },
    };
  }

  /** Between the engine and an instance lies a channel: in order, and not at once. */
  #sent(task: () => void): void {
    this.#channelMs = Math.max(
      this.#channelMs,
      this.#world.clock.monotonicMs() + this.#world.between(0, 0.5),
    );
    this.#clock.after(this.#channelMs - this.#world.clock.monotonicMs(), task);
  }
  #channelMs = 0;

  #step(id: ExecutionId, name: string, key: string, attempt: number, fails: boolean): Promise<string> {
    this.#world.invariants.stepBegins(id, Number(key.split('/')[1]), attempt);
    return new Promise((resolve, reject) => {
      this.#clock.after(this.#world.between(0, 200), () => {
        if (fails) reject(new Error(`step ${name} fails`));
        else resolve(name);
      });
    });
  }

  #answerToken(text: string, answer: string): void {
    const { clock, journal } = this.#world;
    if (parseCallbackToken(text) === undefined) {
      this.#world.invariants.violate(`${text} is no token`);
      return;
    }
    const output = { json: answer };
    clock.after(this.#world.between(1, 5_000), async () => {
      const awaiting = await findCallback(journal, text);
      if (awaiting === undefined) return;
      const input = { kind: 'completed', op: awaiting.op, output } as const;
      await journal.settleAwaiting(awaiting.execution, awaiting.op, input, clock.nowMs());
      if (this.#alive) this.#engine.poke(awaiting.execution);
    });
  }
}
