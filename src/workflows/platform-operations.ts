import { z } from 'zod';
import { LambentError } from '../base/errors.ts';
import type { ExecutionId } from '../base/ids.ts';
import { INLINE_PAYLOAD_BYTES_MAX, type LargePayload } from '../model/journal.ts';
import type { CallerIdentity, OperationHandler } from '../ports/platform-calls.ts';
import type { Workflows } from '../ports/workflows.ts';
import { nextOrigin } from './execution-origin.ts';

/** How long a synchronous start waits before it answers with the id alone. */
export const START_WAIT_MS = 25_000;

/** The execution is done; what came of it is in its history. */
export function tooLargeToAnswer(id: ExecutionId, { bytes }: LargePayload): LambentError {
  const message = `the result of execution ${id} has ${bytes} bytes; a call answers with at most ${INLINE_PAYLOAD_BYTES_MAX}`;
  return new LambentError('E_RESPONSE_TOO_LARGE', message);
}

const startSchema = z.strictObject({
  workflow: z.string().min(1).max(64),
  wait: z.boolean().default(false),
  key: z.string().min(1).max(256).optional(),
  priority: z.int().min(-100).max(100).optional(),
  delayMs: z.number().min(0).max(31_536_000_000).optional(),
});
const signalSchema = z.strictObject({ execution: z.uuid(), name: z.string().min(1).max(256) });

/** What functions may ask of workflows of their own app: `workflow.start`, `workflow.signal`. */
export function createWorkflowOperations(workflows: Workflows): [string, OperationHandler][] {
  return [
    [
      'workflow.start',
      async (caller, args, payload) => {
        const { workflow, wait, ...options } = parse(startSchema, args, 'workflow.start');
        const input = jsonOf(payload);
        const origin = nextOrigin(caller.chain.depth, caller.traceparent, caller.function);
        const { id } = await workflows.start({
          ...{ app: caller.app, workflow, input },
          options: { ...options, origin },
        });
        const outcome = wait ? await workflows.result(id, START_WAIT_MS) : undefined;
        if (outcome === undefined) return answer({ id, status: 'running' });
        if (outcome.status === 'succeeded') {
          if ('blob' in outcome.output) throw tooLargeToAnswer(id, outcome.output);
          return answer({ id, status: outcome.status, output: outcome.output.json });
        }
        return answer({ id, status: outcome.status, error: 'error' in outcome ? outcome.error : undefined });
      },
    ],
    [
      'workflow.signal',
      async (caller, args, payload) => {
        const { execution, name } = parse(signalSchema, args, 'workflow.signal');
        const id = execution as string as ExecutionId;
        await checkOwn(workflows, caller, id);
        await workflows.signal(id, name, jsonOf(payload));
        return answer(null);
      },
    ],
  ];
}

/** Executions of other apps are as good as not there. */
async function checkOwn(workflows: Workflows, caller: CallerIdentity, id: ExecutionId): Promise<void> {
  const record = await workflows.find(id);
  if (record?.app !== caller.app) throw new LambentError('E_NOT_FOUND', `there is no execution ${id}`);
}

function parse<Schema extends z.ZodType>(schema: Schema, args: unknown, operation: string): z.output<Schema> {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new LambentError('E_BAD_REQUEST', `${operation}: ${issue?.path.join('.')}: ${issue?.message}`);
}

function jsonOf(payload: Buffer): unknown {
  if (payload.length === 0) return null;
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    throw new LambentError('E_BAD_REQUEST', 'the input is not JSON');
  }
}

function answer(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
