/** What a workflow's code says comes out of a sandbox: here it becomes acts of a program, or `undefined`. */
import { z } from 'zod';
import {
  failureSchema,
  itemSchema,
  type LargePayload,
  largePayloadSchema,
  outcomeSchema,
  type Payload,
  payloadSchema,
  taskSchema,
} from '../model/journal.ts';
import type { ProgramAct } from '../ports/workflow-program.ts';
import { isPlainSubmission } from './plain-acts.ts';

/** Most acts of one message. */
const ACTS_MAX = 20_000;

const op = z.int().min(1).max(10_000_000);
const moment = z.number().min(0).max(8.64e15);
const result = z.union([
  z.object({ output: payloadSchema }).strict(),
  z.object({ error: failureSchema }).strict(),
]);

const actSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('took'), offer: z.int().min(1) }).strict(),
  z
    .object({
      kind: z.literal('open'),
      op,
      task: taskSchema,
      dueInMs: z.number().min(0).max(3.2e10).optional(),
      dueMs: moment.optional(),
      at: z.string().max(512).optional(),
      scope: op.optional(),
      item: itemSchema,
    })
    .strict(),
  z.object({ kind: z.literal('complete'), op, output: payloadSchema, atMs: moment }).strict(),
  z.object({ kind: z.literal('fail'), op, error: failureSchema, retryable: z.boolean() }).strict(),
  z.object({ kind: z.literal('close'), op }).strict(),
  z.object({ kind: z.literal('answer'), update: z.string().max(64), result }).strict(),
  z.object({ kind: z.literal('end'), outcome: outcomeSchema }).strict(),
]);

export const codeMessageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('submit'), acts: z.array(actSchema).max(ACTS_MAX) }).strict(),
  z.object({ kind: z.literal('answer'), query: z.int(), result }).strict(),
  z.object({ kind: z.literal('payload'), payload: largePayloadSchema }).strict(),
]);

export type CodeMessage =
  | { readonly kind: 'submit'; readonly acts: readonly ProgramAct[] }
  | { readonly kind: 'answer'; readonly query: number; readonly result: z.infer<typeof result> }
  /** The pieces that came are this value. */
  | { readonly kind: 'payload'; readonly payload: LargePayload };

export function parseCodeMessage(text: string): CodeMessage | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (isPlainSubmission(json, ACTS_MAX)) return json;
  return codeMessageSchema.safeParse(json).data as CodeMessage | undefined;
}

/** The large payloads that acts name. */
export function largePayloadsOf(acts: readonly ProgramAct[]): LargePayload[] {
  return acts.flatMap((act) => payloadsOf(act).filter((payload) => 'blob' in payload));
}

function payloadsOf(act: ProgramAct): Payload[] {
  switch (act.kind) {
    case 'open':
      return 'input' in act.task ? [act.task.input] : [];
    case 'complete':
      return [act.output];
    case 'answer':
      return 'output' in act.result ? [act.result.output] : [];
    case 'end':
      if (act.outcome.status === 'succeeded') return [act.outcome.output];
      return act.outcome.status === 'continued' ? [act.outcome.input] : [];
    default:
      return [];
  }
}
