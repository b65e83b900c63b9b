import { z } from '@hono/zod-openapi';
import { ERROR_TABLE } from '../base/error-table.ts';
import type { ExecutionId, InvocationId } from '../base/ids.ts';
import { APP_NAME, type AppName, FUNCTION_NAME, type FunctionName } from '../model/function.ts';

/*
 * Schemas that several resources share. They check what comes in, and describe both directions in the OpenAPI
 * document. What goes out was made by the platform: the compiler checks its type; nothing checks it again at run time.
 */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const AppNameSchema = z
  .string()
  .regex(APP_NAME, 'an app is named by lower-case letters, digits and inner hyphens, at most 63')
  .transform((name) => name as AppName)
  .openapi({ example: 'shop' });

export const FunctionNameSchema = z
  .string()
  .regex(FUNCTION_NAME, 'a function is named by letters, digits, `_` and `-`, at most 64')
  .transform((name) => name as FunctionName)
  .openapi({ example: 'resize' });

export const InvocationIdSchema = z
  .string()
  .regex(UUID, 'an invocation is named by a UUID in lower case')
  .transform((id) => id as InvocationId)
  .openapi({ example: '0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a' });

export const ExecutionIdSchema = z
  .string()
  .regex(UUID, 'an execution is named by a UUID in lower case')
  .transform((id) => id as ExecutionId)
  .openapi({ example: '0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a' });

export const DeploymentNumberSchema = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/** A point in time in a query: epoch milliseconds, or a date and time by ISO 8601. */
export const TimeSchema = z
  .string()
  .max(40)
  .transform((text, context) => {
    const timeMs = /^\d{1,15}$/.test(text) ? Number(text) : isoTimeMs(text);
    if (Number.isFinite(timeMs)) return timeMs;
    context.addIssue({
      code: 'custom',
      message: 'a time is given in epoch milliseconds, or by ISO 8601 as 2026-01-31T12:00:00Z',
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', description: 'Epoch milliseconds, or ISO 8601.', example: '1800000000000' });

/** How many items one answer may hold. */
export const limitSchema = (most: number, normally: number) =>
  z.coerce.number().int().min(1).max(most).default(normally);

/** What is searched for. */
export const SearchTextSchema = z.string().min(1).max(200);

export const AppParams = z.strictObject({ app: AppNameSchema });
export const FunctionParams = z.strictObject({ app: AppNameSchema, name: FunctionNameSchema });

export const ErrorRecordSchema = z
  .object({
    code: z.string().openapi({ enum: Object.keys(ERROR_TABLE) }),
    message: z.string(),
    fault: z.enum(['caller', 'author', 'operator']),
    retryable: z.boolean(),
    hint: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .openapi('ErrorRecord');

export const ErrorBodySchema = z
  .object({ error: ErrorRecordSchema, requestId: z.string() })
  .openapi('ErrorBody');

export const TrafficShareSchema = z
  .strictObject({
    number: z.number().int().min(1).openapi({ description: 'Number of a deployment.' }),
    weight: z.number().int().min(1).max(100).openapi({ description: 'Percent of requests.' }),
  })
  .openapi('TrafficShare');

export const LiveAppSchema = z
  .object({
    app: z.string(),
    generation: z.number().int(),
    traffic: z.array(TrafficShareSchema).readonly(),
  })
  .openapi('LiveApp');

export const FunctionConfigSchema = z
  .object({
    timeoutMs: z.number(),
    memoryMb: z.number(),
    concurrency: z.number().optional(),
    maxConcurrency: z.number(),
    maxInstances: z.number(),
    minInstances: z.number(),
    keepWarm: z
      .array(
        z.object({
          when: z.union([
            z.object({ kind: z.literal('cron'), expression: z.string() }),
            z.object({ kind: z.literal('rate'), everyMs: z.number() }),
            z.object({ kind: z.literal('at'), time: z.string() }),
          ]),
          timeZone: z.string(),
          lengthMs: z.number(),
          instances: z.number(),
        }),
      )
      .readonly()
      .optional(),
    reservedConcurrency: z.number(),
    idleMs: z.number(),
    startMs: z.number().optional(),
    queueMax: z.number(),
    maxResponseMb: z.number(),
    maxRequestMb: z.number(),
    attemptsMax: z.number(),
    network: z.union([z.enum(['none', 'internet']), z.array(z.string()).readonly()]),
    env: z.record(z.string(), z.string()).readonly(),
    secrets: z.array(z.string()).readonly().optional(),
    connections: z.array(z.string()).readonly().optional(),
    callers: z.array(z.string()).readonly().optional(),
    freeze: z.literal(false).optional(),
    keepPayloads: z.literal(false).optional(),
    workflow: z.literal(true).optional(),
    command: z
      .object({
        argv: z.array(z.string()).readonly(),
        port: z.number().int().optional(),
        readyPath: z.string().optional(),
      })
      .optional(),
  })
  .openapi('FunctionConfig');

export const InvocationErrorSchema = z
  .object({
    code: z.string(),
    errorType: z.string(),
    errorMessage: z.string(),
    stackTrace: z.array(z.string()).readonly(),
  })
  .openapi('InvocationError');

export const InvocationRecordSchema = z
  .object({
    id: z.string(),
    app: z.string(),
    function: z.string(),
    version: z.string(),
    deployment: z.number().int(),
    trigger: z.enum(['http', 'invoke', 'async', 'websocket', 'event']),
    status: z.enum(['ok', 'error', 'timeout', 'crashed', 'throttled', 'refused', 'cancelled']),
    cold: z.boolean(),
    instance: z.string().optional(),
    arrivedMs: z.number(),
    queueUs: z.number(),
    startUs: z.number(),
    runUs: z.number(),
    billedMs: z.number(),
    memoryMb: z.number(),
    memoryPeakMb: z.number(),
    httpStatus: z.number().int(),
    summary: z.string(),
    callerRequestId: z
      .string()
      .optional()
      .openapi({ description: "The caller's own x-request-id, where it sent one." }),
    attempt: z.number().int(),
    error: InvocationErrorSchema.optional(),
  })
  .openapi('InvocationRecord');

export const SeveritySchema = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

export const LogLineSchema = z
  .object({
    sequence: z.number().int(),
    timeMs: z.number(),
    app: z.string(),
    function: z.string(),
    version: z.string(),
    instance: z.string().optional(),
    invocation: z.string().optional(),
    stream: z.enum(['stdout', 'stderr', 'platform']),
    severity: SeveritySchema,
    text: z.string(),
  })
  .openapi('LogLine');

/** A JSON answer in a route's list of answers. */
export const jsonAnswer = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});

/** A JSON body in a route's request. */
export const jsonBody = <Schema extends z.ZodType>(schema: Schema, required: boolean) => ({
  required,
  content: { 'application/json': { schema } },
});

/** Copies `values` without the keys that are undefined: filters of ports leave out what they do not ask for. */
export function given<Values extends object>(
  values: Values,
): { [Key in keyof Values]?: Exclude<Values[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function isoTimeMs(text: string): number {
  return /^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?$/.test(text) ? Date.parse(text) : Number.NaN;
}
