/* What the tests of this room share: samples, and a store whose moods a test decides. It has no tests of its own. */
import type { InstanceId, InvocationId } from '../base/ids.ts';
import type { AppName, FunctionName, VersionId } from '../model/function.ts';
import type { InvocationRecord, LogLine } from '../model/invocation.ts';
import type { RecordList, TelemetryStore } from '../ports/telemetry-store.ts';

export function sampleRecord(
  changes: Partial<Record<keyof InvocationRecord, unknown>> = {},
): InvocationRecord {
  return {
    id: '0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a' as InvocationId,
    app: 'shop' as AppName,
    function: 'hello' as FunctionName,
    version: 'fv_1' as VersionId,
    deployment: 1,
    trigger: 'http',
    status: 'ok',
    cold: false,
    instance: 'i1' as InstanceId,
    arrivedMs: 1_800_000_000_000,
    queueUs: 0,
    startUs: 0,
    runUs: 200,
    billedMs: 1,
    memoryMb: 256,
    memoryPeakMb: 40,
    httpStatus: 200,
    summary: 'GET /',
    callerRequestId: undefined,
    attempt: 0,
    error: undefined,
    ...changes,
  } as InvocationRecord;
}

export function sampleLine(text: string): LogLine {
  return {
    sequence: 0,
    timeMs: 1_800_000_000_000,
    app: 'shop' as AppName,
    function: 'hello' as FunctionName,
    version: 'fv_1' as VersionId,
    instance: undefined,
    invocation: undefined,
    stream: 'stdout',
    severity: 'info',
    text,
  };
}

export interface Write {
  readonly invocations: readonly InvocationRecord[];
  readonly lines: readonly LogLine[];
  /** Ends the write: with success, or with an error. */
  settle(error?: unknown): void;
}

/** A store that keeps every write waiting until the test settles it, unless it is set to accept at once. */
export class HeldStore implements Pick<TelemetryStore, 'append' | 'prune'> {
  readonly stored: { invocations: InvocationRecord[]; lines: LogLine[] } = { invocations: [], lines: [] };
  acceptAtOnce = false;
  pruned: { beforeMs: number; invocationsMax: number; linesMax: number }[] = [];
  pruneResult: () => Promise<{ invocations: number; lines: number }> = async () => ({
    invocations: 0,
    lines: 0,
  });
  #writes: Write[] = [];
  #waiters: ((write: Write) => void)[] = [];

  append(records: RecordList, lines: readonly LogLine[]): Promise<number> {
    const invocations = [...records];
    return new Promise((resolve, reject) => {
      const write: Write = {
        invocations,
        lines,
        settle: (error) => {
          if (error !== undefined) return reject(error);
          this.stored.invocations.push(...invocations);
          this.stored.lines.push(...lines);
          resolve(this.stored.lines.length);
        },
      };
      if (this.acceptAtOnce) return write.settle();
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.#writes.push(write);
      else waiter(write);
    });
  }

  prune(beforeMs: number, invocationsMax: number, linesMax: number) {
    this.pruned.push({ beforeMs, invocationsMax, linesMax });
    return this.pruneResult();
  }

  /** The next write that the store was asked for. */
  nextWrite(): Promise<Write> {
    const write = this.#writes.shift();
    if (write !== undefined) return Promise.resolve(write);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  get writesWaiting(): number {
    return this.#writes.length;
  }

  asStore(): TelemetryStore {
    return this as unknown as TelemetryStore;
  }
}
