import type { DatabaseSync } from 'node:sqlite';
import { LambentError } from '../base/errors.ts';
import type { TelemetryStore } from '../ports/telemetry-store.ts';
import { batchRecords, columnsFromBatch, type InvocationBatch } from './invocation-columns.ts';
import { InvocationPruner } from './invocation-pruner.ts';
import { createInvocationReads } from './invocation-scan.ts';
import { createInvocationWriter } from './invocation-writer.ts';
import { createLatencyReads, createLatencyWriter } from './latency-minutes.ts';
import {
  batchLines,
  createFunctionNumbers,
  createLineReads,
  createLineWriter,
  type LineBatch,
} from './log-lines.ts';
import type { Caller } from './operation.ts';
import { createUsageReads, createUsageWriter } from './usage.ts';

export type TelemetryWrites = ReturnType<typeof createTelemetryWrites>;
export type TelemetryReads = ReturnType<typeof createTelemetryReads>;

/** Log lines that one step of pruning deletes at most, so that other operations get their turn. */
export const PRUNE_LINES_A_STEP = 10_000;

/** Most invocations, and most log lines, of one append. */
export const APPEND_MAX = 100_000;

export function createTelemetryStore(
  write: Caller<TelemetryWrites>,
  read: Caller<TelemetryReads>,
): TelemetryStore {
  return {
    async append(invocations, lines) {
      if (invocations.length > APPEND_MAX || lines.length > APPEND_MAX)
        throw new LambentError(
          'E_PAYLOAD_TOO_LARGE',
          `One append takes ${APPEND_MAX} invocations and as many log lines, not more.`,
        );
      const records = invocations.length === 0 ? undefined : batchRecords(invocations);
      const texts = lines.length === 0 ? undefined : batchLines(lines);
      const transfer: ArrayBuffer[] = [];
      let bytes = 0;
      if (records !== undefined) {
        transfer.push(records.numbers.buffer);
        bytes += records.numbers.byteLength + records.ids.length + records.summaryText.length;
      }
      if (texts !== undefined) {
        transfer.push(texts.numbers.buffer);
        bytes += texts.numbers.byteLength + texts.text.length;
      }
      return write('append', [records, texts], { bytes, transfer });
    },
    findInvocation: (id) => read('findInvocation', [id]),
    listInvocations: (filter, limit, cursor) => read('listInvocations', [filter, limit, cursor]),
    tailLogs: (filter, limit) => read('tailLogs', [filter, limit]),
    logsAfter: (filter, after, limit) => read('logsAfter', [filter, after, limit]),
    usage: (fromMs, toMs) => read('usage', [fromMs, toMs]),
    usageSteps: (fromMs, stepMs, steps) => read('usageSteps', [fromMs, stepMs, steps]),
    latencyMinutes: (fromMs) => read('latencyMinutes', [fromMs]),
    async prune(beforeMs, invocationsMax, linesMax) {
      const gone = { invocations: 0, lines: 0 };
      for (;;) {
        const step = await write('prune', [beforeMs, invocationsMax, linesMax]);
        gone.invocations += step.invocations;
        gone.lines += step.lines;
        if (!step.more) return gone;
      }
    },
  };
}

export function createTelemetryWrites(db: DatabaseSync) {
  const functionNumber = createFunctionNumbers(db);
  const lineWriter = createLineWriter(db, functionNumber);
  const usageWriter = createUsageWriter(db, functionNumber);
  const latencyWriter = createLatencyWriter(db, functionNumber);
  const invocationWriter = createInvocationWriter(db);
  const invocationPruner = new InvocationPruner(db);
  return {
    append(records: InvocationBatch | undefined, lines: LineBatch | undefined): number {
      if (records !== undefined) {
        const columns = columnsFromBatch(records);
        invocationWriter.append(columns);
        usageWriter.add(columns);
        latencyWriter.add(columns);
      }
      if (lines !== undefined) lineWriter.insert(lines);
      return lineWriter.highestSequence();
    },
    merge: (): boolean => invocationWriter.merge(),
    prune(beforeMs: number, invocationsMax: number, linesMax: number) {
      const invocations = invocationPruner.prune(beforeMs, invocationsMax);
      const lines = lineWriter.prune(beforeMs, linesMax, PRUNE_LINES_A_STEP);
      usageWriter.prune(beforeMs);
      latencyWriter.prune();
      return {
        invocations: invocations.removed,
        lines,
        more: invocations.more || lines >= PRUNE_LINES_A_STEP,
      };
    },
  };
}

export function createTelemetryReads(db: DatabaseSync) {
  return {
    ...createInvocationReads(db),
    ...createLineReads(db),
    ...createUsageReads(db),
    ...createLatencyReads(db),
  };
}
