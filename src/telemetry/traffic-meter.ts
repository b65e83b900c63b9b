import type { Clock } from '../base/clock.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import type { CallTail, CallVia } from '../ports/activity.ts';
import type {
  ExecutionFlow,
  ExecutionMeter,
  StartMeter,
  TrafficFlow,
  TrafficView,
  WorkflowName,
} from '../ports/traffic.ts';
import type { AppName, FunctionName } from '../model/function.ts';

/*
 * What flows now: calls by what brought them about and the function they went to, and executions by their workflow, over
 * the last minute. It is for the live map alone: it lives in memory, and the history has the sums.
 */

/** The minute, in slots of this many milliseconds. */
const SLOT_MS = 5_000;
const SLOTS = 12;
/** Pairs, and workflows, that are told apart; further ones are not counted. */
export const FLOWS_MAX = 20_000;

/** How often something happened within the last minute. */
class MinuteCount {
  readonly #counts = new Uint32Array(SLOTS);
  /** The newest slot that was counted in. */
  #slot = 0;

  add(now: number): void {
    if (this.#slot !== now) this.#advance(now);
    this.#counts[now % SLOTS]! += 1;
  }

  sum(now: number): number {
    this.#advance(now);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Empties the slots that have passed since it was counted last. */
  #advance(now: number): void {
    for (let passed = Math.max(this.#slot + 1, now - SLOTS + 1); passed <= now; passed += 1)
      this.#counts[passed % SLOTS] = 0;
    this.#slot = now;
  }
}

interface Flow extends Omit<TrafficFlow, 'calls' | 'errors'> {
  readonly calls: MinuteCount;
  readonly errors: MinuteCount;
}

interface Executions extends WorkflowName {
  readonly began: MinuteCount;
  readonly ended: MinuteCount;
  readonly failed: MinuteCount;
}

export interface TrafficMeter extends TrafficView, StartMeter {
  readonly workflows: ExecutionMeter;
  count(record: InvocationRecord, tail: CallTail): void;
}

export function createTrafficMeter(clock: Clock): TrafficMeter {
  const slotNow = (): number => Math.floor(clock.monotonicMs() / SLOT_MS);
  const calls = new Flows();
  const executions = new ExecutionFlows();
  const add = (key: string, called: Called, via: CallVia, failed: boolean): void => {
    const flow = calls.find(key, called, via);
    flow?.calls.add(slotNow());
    if (failed) flow?.errors.add(slotNow());
  };
  // Beside versions, which are digests: no name of a workflow is one.
  const start = (app: AppName, what: FunctionName, via: CallVia, failed: boolean): void =>
    add(`${app}/${what}`, { app, function: what }, via, failed);
  return {
    count: (record, tail) => add(record.version, record, tail.via, record.status !== 'ok'),
    started: (app, what, trigger, failed) => start(app, what, { kind: 'trigger', name: trigger }, failed),
    workflows: {
      began(execution, parent) {
        executions.find(execution)?.began.add(slotNow());
        if (parent === undefined) return;
        const via = { kind: 'function', name: `${parent.app}/${parent.workflow}` } as const;
        start(execution.app, execution.workflow as FunctionName, via, false);
      },
      ended(execution, failed) {
        const counts = executions.find(execution);
        counts?.ended.add(slotNow());
        if (failed) counts?.failed.add(slotNow());
      },
    },
    flows: () => calls.sums(slotNow()),
    executions: () => executions.sums(slotNow()),
  };
}

type Called = Pick<InvocationRecord, 'app' | 'function'>;

class Flows {
  // By the function's version first: a join of both names for each call would cost more than all the rest.
  #flows = new Map<string, Map<string, Flow>>();
  #size = 0;

  find(key: string, { app, function: called }: Called, { kind, name }: CallVia): Flow | undefined {
    let ofFunction = this.#flows.get(key);
    if (ofFunction === undefined) {
      ofFunction = new Map();
      this.#flows.set(key, ofFunction);
    }
    // Names of routes, functions and triggers differ by their shape, so that one map holds them all.
    let flow = ofFunction.get(name);
    if (flow === undefined && this.#size < FLOWS_MAX) {
      const counts = { calls: new MinuteCount(), errors: new MinuteCount() };
      flow = { app, function: called, via: { kind, name }, ...counts };
      ofFunction.set(name, flow);
      this.#size += 1;
    }
    return flow;
  }

  sums(now: number): TrafficFlow[] {
    const found: TrafficFlow[] = [];
    const alive = new Map<string, Map<string, Flow>>();
    this.#size = 0;
    for (const [version, ofFunction] of this.#flows)
      for (const [name, flow] of ofFunction) {
        const calls = flow.calls.sum(now);
        if (calls === 0) continue;
        found.push({ ...flow, calls, errors: flow.errors.sum(now) });
        alive.set(version, (alive.get(version) ?? new Map<string, Flow>()).set(name, flow));
        this.#size += 1;
      }
    // What rests is forgotten here, so that old versions do not stay.
    this.#flows = alive;
    return found;
  }
}

class ExecutionFlows {
  #counts = new Map<string, Executions>();

  find({ app, workflow }: WorkflowName): Executions | undefined {
    const name = `${app}/${workflow}`;
    let found = this.#counts.get(name);
    if (found === undefined && this.#counts.size < FLOWS_MAX) {
      const [began, ended, failed] = [new MinuteCount(), new MinuteCount(), new MinuteCount()];
      found = { app, workflow, began, ended, failed };
      this.#counts.set(name, found);
    }
    return found;
  }

  sums(now: number): ExecutionFlow[] {
    const found: ExecutionFlow[] = [];
    const alive = new Map<string, Executions>();
    for (const [name, counts] of this.#counts) {
      const { app, workflow } = counts;
      const [began, ended, failed] = [counts.began, counts.ended, counts.failed].map((each) => each.sum(now));
      if (began! + ended! === 0) continue;
      found.push({ app, workflow, began: began!, ended: ended!, failed: failed! });
      alive.set(name, counts);
    }
    this.#counts = alive;
    return found;
  }
}
