import type { InstanceId, InvocationId } from '../../base/ids.ts';
import { createUuidMinter } from '../../base/ids.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { createSeededRandom } from '../../base/random.ts';
import type { AppName, FunctionName, VersionId } from '../../model/function.ts';
import type { InvocationError, InvocationRecord, InvocationStatus, LogLine } from '../../model/invocation.ts';

/** A whole hour. */
export const startMs = 1_800_000_000_000;
export const shop = 'shop' as AppName;
export const blog = 'blog' as AppName;
export const home = 'home' as FunctionName;
export const cart = 'cart' as FunctionName;
export const versionId = 'fv_00112233445566778899aabbccddeeff' as VersionId;
export const instanceId = '01a3d0b2-2222-7000-8000-000000000001' as InstanceId;

export const failure: InvocationError = {
  code: 'E_FUNCTION_ERROR',
  errorType: 'TypeError',
  errorMessage: 'x is not a function',
  stackTrace: ['at home (index.js:1:1)', 'at größer (b.js:2:2)'],
};

const idClock = new ManualClock(startMs);
const mint = createUuidMinter(idClock, createSeededRandom(7));

/** An id whose time is `atMs`, or as near as ids can be: they never go back. */
export function mintId(atMs: number): InvocationId {
  idClock.advance(Math.max(0, atMs - idClock.nowMs()));
  return mint() as InvocationId;
}

export function record(change: Partial<InvocationRecord> = {}): InvocationRecord {
  const arrivedMs = change.arrivedMs ?? startMs;
  return {
    id: mintId(arrivedMs),
    app: shop,
    function: home,
    version: versionId,
    deployment: 3,
    trigger: 'http',
    status: 'ok',
    cold: false,
    instance: instanceId,
    arrivedMs,
    queueUs: 12,
    startUs: 0,
    runUs: 1_500,
    billedMs: 2,
    memoryMb: 256,
    memoryPeakMb: 61,
    httpStatus: 200,
    summary: 'GET /',
    callerRequestId: undefined,
    attempt: 0,
    error: undefined,
    ...change,
  };
}

export function line(text: string, change: Partial<LogLine> = {}): LogLine {
  return {
    sequence: 0,
    timeMs: startMs,
    app: shop,
    function: home,
    version: versionId,
    instance: instanceId,
    invocation: undefined,
    stream: 'stdout',
    severity: 'info',
    text,
    ...change,
  };
}

const STATUSES: readonly InvocationStatus[] = ['ok', 'error', 'timeout', 'throttled', 'cancelled'];

/** Records of all sorts, arriving over `spanMs`, stored in another order than they arrived. */
export function mixedRecords(count: number, spanMs: number, seed: number): InvocationRecord[] {
  const random = createSeededRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random.fraction() * items.length)]!;
  return Array.from({ length: count }, (_, place) => {
    const status = pick(STATUSES);
    return record({
      app: pick([shop, blog]),
      function: pick([home, cart]),
      status,
      trigger: place % 3 === 0 ? 'event' : 'http',
      arrivedMs: startMs + Math.floor((place / count) * spanMs + random.fraction() * spanMs * 0.1),
      runUs: Math.floor(random.fraction() * 1_000_000),
      summary: `GET /items/${Math.floor(random.fraction() * 1_000)}`,
      callerRequestId: place % 5 === 0 ? `order-${place}` : undefined,
      deployment: pick([3, 4]),
      instance: status === 'throttled' ? undefined : instanceId,
      error: status === 'error' ? { ...failure, errorMessage: `broken ${place % 50}` } : undefined,
      cold: place % 97 === 0,
      billedMs: place % 7,
      memoryMb: pick([128, 256]),
    });
  });
}

export const hasCode =
  (code: string) =>
  (thrown: unknown): boolean =>
    (thrown as { code?: string }).code === code;
