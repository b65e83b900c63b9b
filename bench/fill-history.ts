import { systemClock } from '../src/base/clock.ts';
import type { ExecutionId, InstanceId, InvocationId, NodeId } from '../src/base/ids.ts';
import { createUuidMinter } from '../src/base/ids.ts';
import { silentLog } from '../src/base/log.ts';
import { createSeededRandom, type Random } from '../src/base/random.ts';
import { EVERYBODY } from '../src/model/event-scope.ts';
import type { AppName, FunctionName, VersionId } from '../src/model/function.ts';
import { type InvocationRecord, type LogLine, TRIGGER_KINDS } from '../src/model/invocation.ts';
import type { TriggerId } from '../src/model/trigger.ts';
import { openStore, type Store } from '../src/store-sqlite/store.ts';

/** What is written: six days of it, in the order in which it would have happened. */
export const HISTORY = {
  invocations: 1_000_000,
  lines: 200_000,
  executions: 50_000,
  events: 100_000,
} as const;

const SPAN_MS = 6 * 86_400_000;
const APPS = 10;
const FUNCTIONS = 20;
const BATCH = 10_000;

/** What can be asked for by name afterwards. */
export interface Filled {
  readonly invocation: InvocationId;
  readonly execution: ExecutionId;
  readonly middleMs: number;
}

/** Fills the data folder of a platform that does not run, straight through its store. */
export async function fillHistory(dataDir: string): Promise<Filled> {
  const store = await openStore({ folder: dataDir, clock: systemClock, log: silentLog });
  const random = createSeededRandom(1);
  const endMs = systemClock.nowMs();
  try {
    const invocation = await fillInvocations(store, random, endMs);
    const execution = await fillExecutions(store, random, endMs);
    await fillEvents(store, random, endMs);
    return { invocation, execution, middleMs: Math.floor(endMs - SPAN_MS / 2) };
  } finally {
    await store.close();
  }
}

async function fillInvocations(store: Store, random: Random, endMs: number): Promise<InvocationId> {
  let atMs = endMs - SPAN_MS;
  const mintUuid = createUuidMinter({ ...systemClock, nowMs: () => Math.floor(atMs) }, random);
  const stepMs = SPAN_MS / HISTORY.invocations;
  let chosen: InvocationId | undefined;
  for (let first = 0; first < HISTORY.invocations; first += BATCH) {
    const records: InvocationRecord[] = [];
    const lines: LogLine[] = [];
    for (let at = first; at < first + BATCH; at += 1) {
      atMs += stepMs;
      const record = recordOf(mintUuid() as InvocationId, atMs, at, random);
      records.push(record);
      if (at % (HISTORY.invocations / HISTORY.lines) === 0) lines.push(lineOf(record, at));
      if (at === HISTORY.invocations / 2) chosen = record.id;
    }
    await store.telemetry.append(records, lines);
  }
  return chosen!;
}

/** Most calls end well and soon; one in a hundred does not, and one in a hundred thousand in a rare way. */
function recordOf(id: InvocationId, arrivedMs: number, at: number, random: Random): InvocationRecord {
  const rare = random.fraction();
  const status = rare < 0.00001 ? 'crashed' : rare < 0.0001 ? 'timeout' : rare < 0.01 ? 'error' : 'ok';
  const runUs = status === 'timeout' ? 3_000_000 : 400 + random.fraction() * 40_000;
  const trigger = at % 50_000 === 7 ? 'websocket' : TRIGGER_KINDS[at % 7 === 0 ? 4 : 0]!;
  return {
    ...{ id, trigger, status, arrivedMs, runUs },
    app: `app-${at % APPS}` as AppName,
    function: `f-${(at >> 3) % FUNCTIONS}` as FunctionName,
    version: 'fv_00000000000000000000000000000000' as VersionId,
    deployment: 1,
    cold: at % 500 === 0,
    instance: `instance-${at % 64}` as InstanceId,
    queueUs: 12,
    startUs: at % 500 === 0 ? 40_000 : 0,
    billedMs: Math.ceil(runUs / 1_000),
    memoryMb: 256,
    memoryPeakMb: 61,
    httpStatus: trigger === 'http' ? (status === 'ok' ? 200 : 500) : 0,
    summary: trigger === 'http' ? `GET /orders/${at}${at === 12_345 ? '/needle' : ''}` : '',
    callerRequestId: undefined,
    attempt: 0,
    error:
      status === 'ok'
        ? undefined
        : {
            code: 'E_FUNCTION_ERROR',
            errorType: 'TypeError',
            errorMessage: `order ${at} cannot be read`,
            stackTrace: [`at handler (functions/order.ts:${at % 90}:7)`],
          },
  };
}

function lineOf(
  { id, app, function: name, version, instance, arrivedMs, status }: InvocationRecord,
  at: number,
): LogLine {
  return {
    ...{ sequence: 0, timeMs: arrivedMs, app, function: name, version, instance, invocation: id },
    stream: 'stdout',
    severity: status === 'ok' ? 'info' : 'error',
    text: at === 500 ? 'the needle' : `order ${at} was looked at`,
  };
}

async function fillExecutions(store: Store, random: Random, endMs: number): Promise<ExecutionId> {
  const mintUuid = createUuidMinter(systemClock, random);
  const node = 'bench' as NodeId;
  const error = { code: 'E_FUNCTION_ERROR', errorType: 'Error', errorMessage: 'no', stackTrace: [] };
  let chosen: ExecutionId | undefined;
  for (let first = 0; first < HISTORY.executions; first += 500) {
    const ids = Array.from({ length: 500 }, () => mintUuid() as ExecutionId);
    const nowMs = endMs - SPAN_MS + (first / HISTORY.executions) * SPAN_MS;
    chosen ??= ids[0];
    await Promise.all(
      ids.map(async (id, place) => {
        const at = first + place;
        const created = await store.journal.create(
          {
            ...{ id, kind: 'code', version: 'v', deployment: 1, priority: 0, claimBy: node },
            ...{ app: `app-${at % APPS}` as AppName, workflow: `w-${(at >> 4) % 5}` },
            ...{ parent: undefined, expiresMs: undefined },
            entries: [{ kind: 'started', atMs: nowMs, input: { json: at }, seed: '0'.repeat(32) }],
          },
          nowMs,
        );
        const outcome =
          at % 1_000 === 1
            ? ({ status: 'cancelled', error } as const)
            : at % 50 === 1
              ? ({ status: 'failed', error } as const)
              : ({ status: 'succeeded', output: { json: at } } as const);
        await store.journal.append({
          ...{ id, fence: (created as { fence: number }).fence, seq: 1, nowMs },
          ...{ consumed: [], awaits: [], awaitsNoMore: [], messages: [], starts: [] },
          entries: [{ kind: 'ended', atMs: nowMs, outcome }],
          next: { status: 'ended' },
        });
      }),
    );
  }
  return chosen!;
}

async function fillEvents(store: Store, random: Random, endMs: number): Promise<void> {
  const { session } = await store.events.openSession('bench' as NodeId);
  await store.events.registerTriggers(['app-1/t-1' as TriggerId]);
  const mintUuid = createUuidMinter(systemClock, random);
  for (let first = 0; first < HISTORY.events; first += 2_000) {
    const nowMs = Math.floor(endMs - SPAN_MS + (first / HISTORY.events) * SPAN_MS);
    const events = Array.from({ length: 2_000 }, (_, place) => {
      const [id, source, type] = [mintUuid(), `/shop-${place % 5}`, `order.placed-${place % 9}`];
      const event = Buffer.from(JSON.stringify({ specversion: '1.0', id, source, type, data: { place } }));
      return {
        id,
        source,
        type,
        subject: undefined,
        receivedMs: nowMs,
        depth: 0,
        scope: EVERYBODY,
        event,
        deliveries: [],
      };
    });
    await store.events.append({ session, nowMs, events, positions: [] });
  }
}
