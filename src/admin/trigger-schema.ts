import { z } from '@hono/zod-openapi';
import type { RuleTarget, TriggerSource } from '../model/trigger.ts';

/* A trigger as a deployment has it, for what describes deployments and for what lists triggers. */

/** What else a source has depends on its kind, and is described with the manifest. */
const sourceSchema = z.looseObject({ kind: z.string() }) as unknown as z.ZodType<TriggerSource>;
export const TriggerSourceSchema = sourceSchema.openapi('TriggerSource', {
  description: 'Where its events come from, as the manifest has it.',
});

const WebhookTargetSchema = z.object({
  kind: z.literal('webhook'),
  url: z.string(),
  secrets: z.array(z.string()).readonly().openapi({ description: 'Names of those that sign.' }),
});
const WorkflowTargetSchema = z.object({ kind: z.literal('workflow'), workflow: z.string() });

export const TriggerTargetSchema = z
  .union([
    WorkflowTargetSchema,
    z.object({ kind: z.literal('stateMachine'), arn: z.string() }),
    WebhookTargetSchema,
  ])
  .openapi('TriggerTarget', { description: 'What it starts or sends to in place of calling its function.' });

export const DestinationSchema = z
  .union([
    z.object({ kind: z.literal('function'), function: z.string() }),
    WorkflowTargetSchema,
    WebhookTargetSchema,
    z.object({ kind: z.literal('emit'), type: z.string() }),
  ])
  .openapi('Destination', { description: 'Where the outcome of a delivery goes.' });

const DeliverySchema = z
  .object({
    attemptsMax: z.number().int(),
    ageMaxMs: z.number(),
    retryFirstMs: z.number(),
    retryMaxMs: z.number(),
    batchMax: z.number().int(),
    batched: z.boolean(),
    windowMs: z.number(),
    bisect: z.boolean(),
    concurrency: z.number().int(),
    key: z.string().optional(),
    ratePerSecond: z.number(),
    debounceMs: z.number(),
    dedupeKey: z.string().optional(),
    dedupeMs: z.number(),
    onSuccess: DestinationSchema.optional(),
    onFailure: DestinationSchema.optional(),
  })
  .openapi('DeliveryPolicy');

/** The rule of AWS' API that it is a target of. */
const ruleSchema = z.looseObject({ name: z.string(), arn: z.string() }) as unknown as z.ZodType<RuleTarget>;

export const DeployedTriggerSchema = z
  .object({
    name: z.string(),
    function: z.string(),
    source: TriggerSourceSchema,
    delivery: DeliverySchema,
    starts: TriggerTargetSchema.optional(),
    rule: ruleSchema.optional(),
  })
  .openapi('DeployedTrigger');
