import { createRoute, z } from '@hono/zod-openapi';
import { LambentError } from '../base/errors.ts';
import type { ExecutionId } from '../base/ids.ts';
import { type ExecutionRecord, FINAL_STATUSES } from '../model/execution.ts';
import {
  INLINE_PAYLOAD_BYTES_MAX,
  journalEntrySchema,
  LARGE_PAYLOAD_BYTES_MAX,
  type Outcome,
} from '../model/journal.ts';
import { parseTraceparent } from '../model/trace-context.ts';
import type { CallbackAnswer, Workflows } from '../ports/workflows.ts';
import { addExecutionGraph } from './execution-graph.ts';
import { addExecutionSteps } from './execution-steps.ts';
import { addLargePayloads, LargePayloadSchema, readValue } from './large-payloads.ts';
import type { AdminRouter } from './router.ts';
import {
  AppNameSchema,
  ExecutionIdSchema,
  FunctionNameSchema,
  given,
  jsonAnswer,
  limitSchema,
} from './schemas.ts';
import { addWorkflowGraph } from './workflow-graph.ts';

export interface ExecutionsDeps {
  workflows: Workflows;
}

/** The longest a start, a result or an update is waited for. */
const WAIT_S_MAX = 900;
const STATUSES = ['queued', 'ready', 'running', 'waiting', ...FINAL_STATUSES] as const;

const ExecutionSchema = z
  .object({
    id: z.string(),
    app: z.string(),
    workflow: z.string(),
    kind: z.enum(['code', 'asl']),
    version: z.string(),
    deployment: z.number(),
    rules: z.number().int().openapi({
      description: 'The number of the rules of the engine by which it began: older ones may be refused.',
    }),
    status: z.enum(STATUSES),
    priority: z.number(),
    parent: z.object({ execution: z.string(), op: z.number() }).optional(),
    origin: z
      .object({
        depth: z.number().int().openapi({ description: 'How many events and calls led to it.' }),
        traceparent: z.string().optional().openapi({ description: 'W3C Trace Context of who started it.' }),
      })
      .optional(),
    concurrencyKey: z.string().optional(),
    createdMs: z.number(),
    endedMs: z.number().optional(),
    dueMs: z.number().optional().openapi({ description: 'When a waiting one goes on by itself.' }),
    expiresMs: z.number().optional(),
    entries: z.number(),
    bytes: z.number(),
  })
  .openapi('Execution');

const OutcomeSchema = z
  .object({
    id: z.string(),
    status: z.enum(STATUSES),
    output: z.unknown().optional(),
    largeOutput: LargePayloadSchema.optional(),
    error: z.object({ code: z.string(), errorType: z.string(), errorMessage: z.string() }).optional(),
  })
  .openapi('ExecutionOutcome');

const WaitSchema = z.coerce.number().min(0).max(WAIT_S_MAX).default(0).openapi({
  description: 'Waits up to this many seconds for the end.',
});

const HistoryEntrySchema = z.discriminatedUnion('kind', journalEntrySchema.options).openapi('HistoryEntry');

const IdParams = z.strictObject({ id: ExecutionIdSchema });
const anyJson = {
  required: false,
  content: { 'application/json': { schema: { description: 'Any JSON.' } } },
} as const;

const startRoute = createRoute({
  method: 'post',
  path: '/apps/{app}/workflows/{name}/executions',
  operationId: 'startExecution',
  tags: ['executions'],
  summary: 'Starts an execution of a workflow with a JSON input.',
  description: `The input is at most ${LARGE_PAYLOAD_BYTES_MAX} bytes, of a state machine ${INLINE_PAYLOAD_BYTES_MAX}; an empty body is \`null\`. With \`wait\` the answer has the result if it comes in time.`,
  request: {
    params: z.strictObject({ app: AppNameSchema, name: FunctionNameSchema }),
    query: z.strictObject({
      wait: WaitSchema,
      key: z.string().min(1).max(256).optional().openapi({
        description:
          'Idempotency key: the same key and input are the same execution; another input is refused.',
      }),
      priority: z.coerce.number().int().min(-100).max(100).optional(),
      delayMs: z.coerce.number().min(0).max(31_536_000_000).optional(),
      timeoutMs: z.coerce.number().min(1).max(31_536_000_000).optional(),
      concurrencyKey: z.string().min(1).max(256).optional(),
      concurrencyLimit: z.coerce.number().int().min(1).max(100_000).default(1),
      rateKey: z.string().min(1).max(256).optional(),
      rateLimit: z.coerce.number().int().min(1).max(1_000_000).default(1),
      ratePerMs: z.coerce.number().min(1).max(86_400_000).default(1_000),
      debounceKey: z.string().min(1).max(256).optional(),
      debounceMs: z.coerce.number().min(1).max(86_400_000).default(1_000),
    }),
    body: anyJson,
  },
  responses: {
    200: jsonAnswer(OutcomeSchema, 'It ended in time.'),
    202: jsonAnswer(OutcomeSchema, 'It is stored, and goes on.'),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/executions',
  operationId: 'listExecutions',
  tags: ['executions'],
  summary: 'Executions, newest first.',
  request: {
    query: z.strictObject({
      app: AppNameSchema.optional(),
      workflow: FunctionNameSchema.optional().openapi({ description: 'With `app`.' }),
      status: z.enum(STATUSES).optional(),
      parent: ExecutionIdSchema.optional(),
      limit: limitSchema(1_000, 50),
      before: ExecutionIdSchema.optional().openapi({ description: 'Only those created before this one.' }),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z.array(ExecutionSchema).readonly(),
        next: z
          .string()
          .optional()
          .openapi({ description: '`before` of the next page. That page may be empty.' }),
      }),
      'One page.',
    ),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/executions/{id}',
  operationId: 'getExecution',
  tags: ['executions'],
  summary: 'One execution.',
  request: { params: IdParams },
  responses: { 200: jsonAnswer(ExecutionSchema, 'The execution.') },
});

const resultRoute = createRoute({
  method: 'get',
  path: '/executions/{id}/result',
  operationId: 'getExecutionResult',
  tags: ['executions'],
  summary: 'How an execution ended.',
  request: { params: IdParams, query: z.strictObject({ wait: WaitSchema }) },
  responses: {
    200: jsonAnswer(OutcomeSchema, 'It has ended.'),
    202: jsonAnswer(OutcomeSchema, 'It goes on.'),
  },
});

const historyRoute = createRoute({
  method: 'get',
  path: '/executions/{id}/history',
  operationId: 'getExecutionHistory',
  tags: ['executions'],
  summary: 'All that happened to an execution, in order.',
  request: {
    params: IdParams,
    query: z.strictObject({
      from: z.coerce.number().int().min(0).default(0),
      limit: limitSchema(1_000, 200),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        items: z.array(HistoryEntrySchema).readonly(),
        next: z.number().optional().openapi({ description: '`from` of the next page; absent on the last.' }),
      }),
      'One page.',
    ),
  },
});

const steerRoutes = {
  signal: steerRoute('signals/{name}', 'signalExecution', 'Sends a signal with a JSON input.'),
  update: steerRoute('updates/{name}', 'updateExecution', 'Sends an update and waits for its answer.'),
  query: steerRoute(
    'queries/{name}',
    'queryExecution',
    'Asks an execution, running or ended, about its state.',
  ),
};

function steerRoute(
  path: 'signals/{name}' | 'updates/{name}' | 'queries/{name}',
  operationId: string,
  summary: string,
) {
  return createRoute({
    method: 'post',
    path: `/executions/{id}/${path}`,
    operationId,
    tags: ['executions'],
    summary,
    request: {
      params: z.strictObject({ id: ExecutionIdSchema, name: z.string().min(1).max(256) }),
      body: anyJson,
    },
    responses: { 200: jsonAnswer(z.object({ answer: z.unknown().optional() }), 'Done.') },
  });
}

const cancelRoute = createRoute({
  method: 'post',
  path: '/executions/{id}/cancel',
  operationId: 'cancelExecution',
  tags: ['executions'],
  summary: 'Asks an execution to end; `force` ends it without a word to its code.',
  request: {
    params: IdParams,
    query: z.strictObject({
      reason: z.string().max(1_024).default('cancelled'),
      force: z.enum(['true', 'false']).default('false'),
    }),
  },
  responses: { 202: jsonAnswer(z.object({}), 'It is stored.') },
});

const retryRoute = createRoute({
  method: 'post',
  path: '/executions/{id}/retry',
  operationId: 'retryExecution',
  tags: ['executions'],
  summary: 'Starts anew with the same input, on the version that is live now, or goes on from a step.',
  description:
    'With `from` what came before keeps its results, and what was under way then runs again. A state machine goes on as the definition that it began with.',
  request: {
    params: IdParams,
    query: z.strictObject({
      from: z
        .union([z.literal('failed'), z.coerce.number().int().min(1).max(10_000_000)])
        .optional()
        .openapi({
          type: 'string',
          description: "An operation's number, or `failed`: what it failed at.",
        }),
    }),
  },
  responses: { 202: jsonAnswer(OutcomeSchema, 'The new execution.') },
});

const answerQuery = z.strictObject({
  status: z.enum(['succeeded', 'failed', 'heartbeat']).default('succeeded'),
  error: z.string().max(256).default('CallbackFailed'),
  message: z.string().max(32_768).default(''),
});

const answerOperationRoute = createRoute({
  method: 'post',
  path: '/executions/{id}/callbacks/{op}',
  operationId: 'answerOperation',
  tags: ['executions'],
  summary: 'Answers the callback that an operation waits for, without its token.',
  request: {
    params: z.strictObject({
      id: ExecutionIdSchema,
      op: z.coerce.number().int().min(1).max(10_000_000),
    }),
    query: answerQuery,
    body: anyJson,
  },
  responses: { 200: jsonAnswer(z.object({}), 'It was taken.') },
});

/** Below it, the path is the permission: whoever has a callback's address has its token. */
export const CALLBACKS_PATH = '/callbacks/';

const answerRoute = createRoute({
  method: 'post',
  path: `${CALLBACKS_PATH}{token}`,
  operationId: 'answerCallback',
  tags: ['executions'],
  summary: 'Answers a callback with a JSON body. The token is the permission.',
  request: {
    params: z.strictObject({ token: z.string().max(256) }),
    query: answerQuery,
    body: anyJson,
  },
  responses: { 200: jsonAnswer(z.object({}), 'It was taken.') },
});

const replayRoute = createRoute({
  method: 'post',
  path: '/executions/{id}/replay',
  operationId: 'replayExecution',
  tags: ['executions'],
  summary: 'Holds what an execution recorded against the code that is live now; nothing of it happens.',
  request: { params: IdParams },
  responses: {
    200: jsonAnswer(
      z.object({
        id: ExecutionIdSchema,
        version: z.string(),
        deployment: z.number().int(),
        status: z.enum(['same', 'differs']),
        error: z
          .object({ code: z.string(), errorType: z.string(), errorMessage: z.string() })
          .optional()
          .openapi({ description: 'Where the code goes another way.' }),
      }),
      'Whether it goes the same way.',
    ),
  },
});

export function addExecutions(router: AdminRouter, { workflows }: ExecutionsDeps): void {
  addStarting(router, workflows);
  addReading(router, workflows);
  addExecutionSteps(router, workflows);
  addExecutionGraph(router, workflows);
  addLargePayloads(router, workflows);
  addWorkflowGraph(router, workflows);
  addSteering(router, workflows);
}

function addStarting(router: AdminRouter, workflows: Workflows): void {
  router.openapi(startRoute, async (c) => {
    const { app, name: workflow } = c.req.valid('param');
    const query = c.req.valid('query');
    const { wait, key, priority, delayMs, timeoutMs } = query;
    const { concurrencyKey, rateKey, debounceKey } = query;
    const traceparent = parseTraceparent(c.req.raw.headers.get('traceparent'));
    const options = given({
      ...{ key, priority, delayMs, timeoutMs, origin: { depth: 0, traceparent } },
      concurrency:
        concurrencyKey === undefined ? undefined : { key: concurrencyKey, limit: query.concurrencyLimit },
      rate:
        rateKey === undefined ? undefined : { key: rateKey, limit: query.rateLimit, perMs: query.ratePerMs },
      debounce: debounceKey === undefined ? undefined : { key: debounceKey, waitMs: query.debounceMs },
    });
    const { id } = await workflows.start({
      app,
      workflow,
      input: await readValue(c.req.raw, workflows),
      options,
    });
    const outcome = wait === 0 ? undefined : await workflows.result(id, wait * 1_000);
    if (outcome !== undefined) return c.json(outcomeView(id, outcome), 200);
    return c.json({ id, status: 'running' as const }, 202);
  });
  router.openapi(retryRoute, async (c) => {
    const { id } = await workflows.retry(c.req.valid('param').id, c.req.valid('query').from);
    return c.json({ id, status: 'running' as const }, 202);
  });
  router.openapi(replayRoute, async (c) => {
    const { error, ...rest } = await workflows.replay(c.req.valid('param').id);
    return c.json({ ...rest, ...(error === undefined ? {} : { error }) }, 200);
  });
}

function addReading(router: AdminRouter, workflows: Workflows): void {
  router.openapi(listRoute, async (c) => {
    const { limit, ...query } = c.req.valid('query');
    const items = await workflows.list({ ...given(query), limit });
    const last = items.length < limit ? undefined : items.at(-1);
    return c.json({ items: items.map(recordView), ...(last === undefined ? {} : { next: last.id }) }, 200);
  });
  router.openapi(getRoute, async (c) => {
    const record = await mustFind(workflows, c.req.valid('param').id);
    return c.json(recordView(record), 200);
  });
  router.openapi(resultRoute, async (c) => {
    const { id } = c.req.valid('param');
    const outcome = await workflows.result(id, c.req.valid('query').wait * 1_000);
    if (outcome !== undefined) return c.json(outcomeView(id, outcome), 200);
    return c.json({ id, status: (await mustFind(workflows, id)).status }, 202);
  });
  router.openapi(historyRoute, async (c) => {
    const { id } = c.req.valid('param');
    const { from, limit } = c.req.valid('query');
    const { entries } = await mustFind(workflows, id);
    const items = (await workflows.history(id, from, limit)).map(withoutSecrets);
    const next = from + items.length;
    return c.json({ items, ...(next < entries && items.length > 0 ? { next } : {}) }, 200);
  });
}

function addSteering(router: AdminRouter, workflows: Workflows): void {
  router.openapi(steerRoutes.signal, async (c) => {
    const { id, name } = c.req.valid('param');
    await workflows.signal(id, name, await readValue(c.req.raw, workflows));
    return c.json({}, 200);
  });
  router.openapi(steerRoutes.update, async (c) => {
    const { id, name } = c.req.valid('param');
    return c.json(
      { answer: await workflows.update(id, name, await readValue(c.req.raw, workflows), 30_000) },
      200,
    );
  });
  router.openapi(steerRoutes.query, async (c) => {
    const { id, name } = c.req.valid('param');
    return c.json({ answer: await workflows.query(id, name, await readValue(c.req.raw, workflows)) }, 200);
  });
  router.openapi(cancelRoute, async (c) => {
    const { reason, force } = c.req.valid('query');
    await workflows.cancel(c.req.valid('param').id, reason, force === 'true');
    return c.json({}, 202);
  });
  router.openapi(answerRoute, async (c) => {
    const query = c.req.valid('query');
    await workflows.answer(c.req.valid('param').token, () => readAnswer(query, c.req.raw, workflows));
    return c.json({}, 200);
  });
  router.openapi(answerOperationRoute, async (c) => {
    const { id, op } = c.req.valid('param');
    await workflows.answerOperation(id, op, await readAnswer(c.req.valid('query'), c.req.raw, workflows));
    return c.json({}, 200);
  });
}

async function readAnswer(
  { status, error, message }: z.output<typeof answerQuery>,
  request: Request,
  workflows: Workflows,
): Promise<CallbackAnswer> {
  if (status === 'succeeded') return { status, output: await readValue(request, workflows) };
  return status === 'failed' ? { status, error, message } : { status };
}

async function mustFind(workflows: Workflows, id: ExecutionId): Promise<ExecutionRecord> {
  const record = await workflows.find(id);
  if (record === undefined) {
    throw new LambentError('E_NOT_FOUND', `There is no execution ${id}.`, {
      hint: '`lambent runs` lists executions. One that ended long ago is kept no more.',
    });
  }
  return record;
}

function recordView({ node: _node, ...record }: ExecutionRecord): Omit<ExecutionRecord, 'node'> {
  return record;
}

function outcomeView(id: ExecutionId, outcome: Outcome) {
  const { status } = outcome;
  if (outcome.status === 'succeeded')
    return 'json' in outcome.output
      ? { id, status, output: outcome.output.json }
      : { id, status, largeOutput: outcome.output };
  return { id, status, ...('error' in outcome ? { error: outcome.error } : {}) };
}

/** Tokens and seeds let whoever has them act for others. */
function withoutSecrets<Entry extends { kind: string }>(entry: Entry): Entry {
  if (entry.kind === 'started') return { ...entry, seed: '0'.repeat(32) };
  const { task } = entry as unknown as { task?: { kind: string } };
  return entry.kind === 'opened' && task?.kind === 'callback'
    ? { ...entry, task: { ...task, token: '' } }
    : entry;
}
