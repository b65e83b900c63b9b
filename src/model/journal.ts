/**
 * The journal: all that happened to one execution, in order, append-only. Durable code and Amazon States Language
 * write the same entries. Both see an execution as *operations*: the program opens one (a step, a call, a timer …)
 * under a number that it counts up itself, and later learns how it ended. What an execution is now is these entries
 * folded (`src/workflows/journal.ts`), so nothing else needs to be stored to go on after a crash.
 *
 * The program's own order is the journal's order: what comes from outside (a result, a signal, a timer) gets its
 * entry only when the program takes it in. So a replay shows a program the same things in the same order.
 */
import { z } from 'zod';

/** Shape of the stored entries. A change that older programs cannot read gets the next number. */
export const JOURNAL_FORMAT = 1;

/** Largest payload kept in the journal itself, as JSON text in bytes (AWS Lambda's synchronous payload). */
export const INLINE_PAYLOAD_BYTES_MAX = 6 * 1024 * 1024;
/** Largest payload of durable code; over the former it lies beside the journal (`ports/payload-store.ts`). */
export const LARGE_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;
/** Most entries of one execution (AWS Step Functions allows 25,000); then it fails with `E_HISTORY_TOO_LONG`. */
export const JOURNAL_ENTRIES_MAX = 50_000;
/** Most bytes of entries of one execution, those of its large payloads included. */
export const JOURNAL_BYTES_MAX = 256 * 1024 * 1024;
/** Most operations that one execution may have open at once. */
export const OPEN_OPERATIONS_MAX = 10_000;

/** A JSON value, or where a large one lies. */
const largePayload = z.object({ blob: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.int().min(0) }).strict();
const payload = z.union([z.object({ json: z.unknown() }).strict(), largePayload]);

/** An error as the program sees it: one shape for steps, calls, children, timeouts. ASL's Error and Cause are type and message. */
const failure = z
  .object({
    /** One of the platform's codes, `E_FUNCTION_ERROR` for what the author's code threw. */
    code: z.string().max(64),
    errorType: z.string().max(256),
    errorMessage: z.string().max(256 * 1024),
    stackTrace: z.array(z.string().max(2_048)).max(50),
  })
  .strict();

/** When to try again after a failure: `firstMs * factor^n`, at most `maxMs`, with full jitter if `jitter`. */
const retryPolicy = z
  .object({
    /** The first attempt included. */
    attemptsMax: z.int().min(1).max(1_000_000),
    firstMs: z.number().min(0).max(31_536_000_000),
    factor: z.number().min(1).max(100),
    maxMs: z.number().min(0).max(31_536_000_000),
    jitter: z.boolean(),
  })
  .strict();

const name = z.string().min(1).max(256);
const moment = z.number().min(0).max(8.64e15);

/** What an operation does. Who carries it out: the program itself (`step`, `scope`), the engine (all others). */
const task = z.discriminatedUnion('kind', [
  /** Code of the program. Each attempt is recorded before it runs, its result before anything follows from it. */
  z
    .object({ kind: z.literal('step'), name, retry: retryPolicy, timeoutMs: z.number().min(1).optional() })
    .strict(),
  /** A function of the same app, or of another as `app/function`. */
  z
    .object({
      kind: z.literal('call'),
      function: z.string().min(1).max(200),
      input: payload,
      retry: retryPolicy.optional(),
    })
    .strict(),
  /** Completes at the operation's `dueMs`. */
  z.object({ kind: z.literal('sleep'), name: name.optional() }).strict(),
  /** Waits for an event of this type; `match` is an event pattern over it. */
  z.object({ kind: z.literal('event'), event: name, match: z.unknown() }).strict(),
  /** Waits for an answer to a token from outside: `callbackToken` of `workflow-wire.ts`. `token`: its SHA-256. */
  z.object({ kind: z.literal('callback'), name: name.optional(), token: z.string().max(256) }).strict(),
  /** Another execution, with the id of `childExecutionId`. `waits`: the operation ends with it; otherwise once it has begun. */
  z
    .object({
      kind: z.literal('child'),
      workflow: name,
      input: payload,
      execution: z.string().max(64),
      waits: z.boolean(),
    })
    .strict(),
  /** A signal to another execution; completes once it is stored there. */
  z.object({ kind: z.literal('signal'), execution: z.string().max(64), name, input: payload }).strict(),
  /** Anything else that a front end asks of the engine by name: an ASL resource, an activity, an HTTP task. */
  z.object({ kind: z.literal('resource'), resource: z.string().min(1).max(2_048), input: payload }).strict(),
  /** Groups operations for readers: a parallel, a map, a state. The program ends it itself. */
  z.object({ kind: z.literal('scope'), form: name, name }).strict(),
]);

const outcome = z.discriminatedUnion('status', [
  z.object({ status: z.literal('succeeded'), output: payload }).strict(),
  z.object({ status: z.literal('failed'), error: failure }).strict(),
  z.object({ status: z.literal('cancelled'), error: failure }).strict(),
  z.object({ status: z.literal('timedOut'), error: failure }).strict(),
  /** Goes on as another execution with an empty journal. */
  z.object({ status: z.literal('continued'), execution: z.string().max(64), input: payload }).strict(),
]);

const op = z.int().min(1).max(10_000_000);
const item = z.int().min(0).max(10_000_000).optional();
const atMs = moment;

/** The entries. `atMs` is the engine's clock when the entry was made, epoch milliseconds. */
export const journalEntrySchema = z.discriminatedUnion('kind', [
  /** `seed`: secret random text; tokens, ids and the program's own randomness follow from it. */
  z
    .object({ kind: z.literal('started'), atMs, input: payload, seed: z.string().regex(/^[0-9a-f]{32}$/) })
    .strict(),
  /**
   * The program began an operation; for a step, its first attempt. `dueMs`: a sleep completes then, anything else
   * fails with `E_TIMEOUT`. `at`: where in the source. `scope`: the operation that this one belongs to. `item`: for
   * which item of that map, or which branch of that parallel, from 0.
   */
  z
    .object({
      kind: z.literal('opened'),
      atMs,
      op,
      task,
      dueMs: moment.optional(),
      at: z.string().max(512).optional(),
      scope: op.optional(),
      item,
    })
    .strict(),
  /** A further attempt of a step or call begins. */
  z.object({ kind: z.literal('attempted'), atMs, op, attempt: z.int().min(2) }).strict(),
  /** An attempt failed. `retryAtMs`: the next one is due then; absent: `failed` follows. */
  z
    .object({
      kind: z.literal('attemptFailed'),
      atMs,
      op,
      attempt: z.int().min(1),
      error: failure,
      retryAtMs: moment.optional(),
    })
    .strict(),
  /** Whoever works on it is alive: the operation has until `dueMs`. */
  z.object({ kind: z.literal('extended'), atMs, op, dueMs: moment }).strict(),
  z.object({ kind: z.literal('completed'), atMs, op, output: payload }).strict(),
  z.object({ kind: z.literal('failed'), atMs, op, error: failure }).strict(),
  /** The program no longer wants it: a lost race, a cancelled branch. Its result will not be taken in. */
  z.object({ kind: z.literal('closed'), atMs, op }).strict(),
  /** A signal, or with `update` a request that is to be `answered`. */
  z
    .object({
      kind: z.literal('signalled'),
      atMs,
      name,
      input: payload,
      update: z.string().max(64).optional(),
    })
    .strict(),
  z
    .object({
      kind: z.literal('answered'),
      atMs,
      update: z.string().max(64),
      result: z.union([z.object({ output: payload }).strict(), z.object({ error: failure }).strict()]),
    })
    .strict(),
  z.object({ kind: z.literal('cancelRequested'), atMs, reason: z.string().max(32_768) }).strict(),
  /** What a front end alone understands: ASL's history events, for one. */
  z.object({ kind: z.literal('noted'), atMs, note: z.unknown() }).strict(),
  /** The last entry. */
  z.object({ kind: z.literal('ended'), atMs, outcome }).strict(),
]);

export type JournalEntry = z.infer<typeof journalEntrySchema>;
export type Payload = z.infer<typeof payload>;
export type LargePayload = Extract<Payload, { blob: string }>;
export type Failure = z.infer<typeof failure>;
export type RetryPolicy = z.infer<typeof retryPolicy>;
export type Task = z.infer<typeof task>;
export type Outcome = z.infer<typeof outcome>;

export {
  failure as failureSchema,
  item as itemSchema,
  largePayload as largePayloadSchema,
  outcome as outcomeSchema,
  payload as payloadSchema,
  task as taskSchema,
};
