import { z } from '@hono/zod-openapi';
import { APP_NAME } from '../model/function.ts';
import {
  RULE_TRIGGER_NAME,
  type RuleTarget,
  TRIGGER_NAME,
  type TriggerId,
  type TriggerSource,
} from '../model/trigger.ts';

/* A trigger as a deployment has it, for what describes deployments and for what lists triggers. */

// Rules of AWS' API whose target is a state machine belong to no app.
const isApp = (app: string): boolean => app === '$states' || APP_NAME.test(app);
const isTrigger = (name: string): boolean => TRIGGER_NAME.test(name) || RULE_TRIGGER_NAME.test(name);

export const TriggerParams = z.strictObject({
  app: z.string().refine(isApp, 'an app’s name, or `$states`'),
  name: z.string().refine(isTrigger, 'a trigger is named by letters, digits, `_`, `-` and `.`'),
});

export const triggerIdOf = ({ app, name }: z.output<typeof TriggerParams>): TriggerId =>
  `${app}/${name}` as TriggerId;

export const TriggerIdSchema = z
  .string()
  .refine((id) => {
    const [app = '', name = '', ...more] = id.split('/');
    return isApp(app) && isTrigger(name) && more.length === 0;
  }, 'a trigger is named APP/TRIGGER')
  .transform((id) => id as TriggerId)
  .openapi({ example: 'shop/bill-events' });

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

export const DeliverySchema = z
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
export const RuleSchema = z.looseObject({
  name: z.string(),
  arn: z.string(),
}) as unknown as z.ZodType<RuleTarget>;

export const DeployedTriggerSchema = z
  .object({
    name: z.string(),
    function: z.string(),
    source: TriggerSourceSchema,
    delivery: DeliverySchema,
    starts: TriggerTargetSchema.optional(),
    rule: RuleSchema.optional(),
  })
  .openapi('DeployedTrigger');
