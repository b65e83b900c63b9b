import type { Clock } from '../base/clock.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import type { CallTail, CallVia } from '../ports/activity.ts';
import type { StartMeter, TrafficFlow, TrafficView } from '../ports/traffic.ts';

/*
 * What flows now: calls by what brought them about and the function they went to, over the last minute. It is for the
 * live map alone, which counts executions that triggers start beside them: it lives in memory, and the history has the sums.
 */

/** The minute, in slots of this many milliseconds. */
const SLOT_MS = 5_000;
const SLOTS = 12;
/** Pairs that are told apart; further ones are not counted. */
export const FLOWS_MAX = 20_000;

interface Flow extends Omit<TrafficFlow, 'calls' | 'errors'> {
  readonly calls: Uint32Array;
  readonly errors: Uint32Array;
  /** The newest slot that was counted in. */
  slot: number;
}

export interface TrafficMeter extends TrafficView, StartMeter {
  count(record: InvocationRecord, tail: CallTail): void;
}

export function createTrafficMeter(clock: Clock): TrafficMeter {
  // By the function's version first: a join of both names for each call would cost more than all the rest.
  let flows = new Map<string, Map<string, Flow>>();
  let size = 0;
  const slotNow = (): number => Math.floor(clock.monotonicMs() / SLOT_MS);

  const flowOf = (
    key: string,
    called: Pick<InvocationRecord, 'app' | 'function'>,
    { kind, name }: CallVia,
  ): Flow | undefined => {
    let ofFunction = flows.get(key);
    if (ofFunction === undefined) {
      ofFunction = new Map();
      flows.set(key, ofFunction);
    }
    // Names of routes, functions and triggers differ by their shape, so that one map holds them all.
    let flow = ofFunction.get(name);
    if (flow === undefined && size < FLOWS_MAX) {
      const { app, function: target } = called;
      const counts = { calls: new Uint32Array(SLOTS), errors: new Uint32Array(SLOTS) };
      flow = { app, function: target, via: { kind, name }, ...counts, slot: slotNow() };
      ofFunction.set(name, flow);
      size += 1;
    }
    return flow;
  };

  const add = (flow: Flow | undefined, failed: boolean): void => {
    if (flow === undefined) return;
    const now = slotNow();
    if (flow.slot !== now) advance(flow, now);
    flow.calls[now % SLOTS]! += 1;
    if (failed) flow.errors[now % SLOTS]! += 1;
  };

  return {
    count: (record, tail) => add(flowOf(record.version, record, tail.via), record.status !== 'ok'),
    started(app, what, trigger, failed) {
      // Beside versions, which are digests: no name of a workflow is one.
      add(flowOf(`${app}/${what}`, { app, function: what }, { kind: 'trigger', name: trigger }), failed);
    },
    flows() {
      const now = slotNow();
      const found: TrafficFlow[] = [];
      const alive = new Map<string, Map<string, Flow>>();
      size = 0;
      for (const [version, ofFunction] of flows)
        for (const [name, flow] of ofFunction) {
          advance(flow, now);
          const calls = sumOf(flow.calls);
          if (calls === 0) continue;
          const { app, function: target, via } = flow;
          found.push({ app, function: target, via, calls, errors: sumOf(flow.errors) });
          alive.set(version, (alive.get(version) ?? new Map<string, Flow>()).set(name, flow));
          size += 1;
        }
      // What rests is forgotten here, so that old versions do not stay.
      flows = alive;
      return found;
    },
  };
}

const sumOf = (counts: Uint32Array): number => counts.reduce((sum, count) => sum + count, 0);

/** Empties the slots that have passed since it was counted last. */
function advance(flow: Flow, now: number): void {
  for (let passed = Math.max(flow.slot + 1, now - SLOTS + 1); passed <= now; passed += 1) {
    flow.calls[passed % SLOTS] = 0;
    flow.errors[passed % SLOTS] = 0;
  }
  flow.slot = now;
}
