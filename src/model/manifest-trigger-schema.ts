import { z } from 'zod';
import { BUS_NAME } from './event-scope.ts';
import { connectionChoice } from './manifest-connections.ts';
import { filesSchema } from './manifest-files.ts';
import { messageSchemas } from './manifest-message-sources.ts';
import { duration, ENV_NAME, MEMORY_EXPECTED, text, whole } from './manifest-schema-parts.ts';
import { MEMORY_TEXT } from './manifest-units.ts';
import { BUS_EXPECTED } from './manifest-shares.ts';
import { SCHEDULE_EXPECTED } from './schedule-time.ts';
import { TABLE_ACTIONS } from './trigger.ts';

/** The shape of a function's `on:` list. Each `error` text completes "… must be". */

const yesOrNo = (description: string) => z.boolean({ error: 'true or false' }).describe(description);

const PATH_EXPECTED = 'a path in the event such as `subject` or `data.customer.id`';
const path = (description: string) =>
  z
    .string()
    .regex(/^[^.\s]+(\.[^.\s]+)*$/, { error: PATH_EXPECTED })
    .describe(description);

const secretName = z.string().regex(ENV_NAME, { error: 'the name of an environment variable' });

const DESTINATION_EXPECTED = 'an object with `function`, `workflow`, `webhook` or `emit`';
const destination = (description: string) =>
  z
    .union(
      [
        z.strictObject({
          function: text('the name of a function of this app', 'The function that gets it.'),
        }),
        z.strictObject({
          workflow: text('the name of a workflow of this app', 'The workflow that starts with it.'),
        }),
        z.strictObject({
          webhook: text(
            'a URL of http or https',
            'The address that it is sent to, signed as a Standard Webhook.',
          ),
          secret: z
            .union([secretName, z.array(secretName).min(1)], {
              error: 'the name of a secret, or a list of them',
            })
            .describe('Secrets with the keys (`whsec_…`, `whsk_…`) that sign; each makes a signature.'),
        }),
        z.strictObject({ emit: text('the type of an event', 'The type under which it goes onto the bus.') }),
      ],
      { error: DESTINATION_EXPECTED },
    )
    .describe(description);

const deliverySettings = {
  name: text(
    'a name of letters, digits, `_`, `-` and `.`, at most 128',
    'Name of the trigger: it keeps its place across deployments. Default: made of the function and the kind.',
  ),
  attempts: whole(
    1,
    1_000,
    'Attempts of one event, the first included; then it is a dead letter. Default: 8.',
  ),
  maxAge: duration('An event that fails when it is older than this is a dead letter. Default: 24h.'),
  retryFirst: duration(
    'The first retry comes after up to this; each further one after up to twice as long. Default: 1s.',
  ),
  retryMax: duration('The longest pause between retries. Default: 5m.'),
  batch: whole(1, 10_000, 'Events in one call; the function then gets a list. Default: one event, no list.'),
  window: duration('How long the first event of a batch waits for others, up to 5m. Default: 0.'),
  bisect: yesOrNo('When a batch fails as a whole, try its halves. Default: false.'),
  concurrency: whole(1, 10_000, 'Calls at the same time. Default: 64.'),
  key: path(
    'Events with the same value at this path are delivered in order. Default: of Kafka and SQS partitionkey, of tables subject, of others no order.',
  ),
  rate: whole(1, 1_000_000, 'Calls per second. Default: no limit.'),
  debounce: duration(
    'Deliver only the last event (of each key), once none came for this long. Default: 0, all.',
  ),
  dedupe: path('A later event with the same value at this path is a repetition. Default: none but by id.'),
  dedupeWindow: duration('How long `dedupe` remembers a value, up to 24h. Default: 5m.'),
  onSuccess: destination('Where the result of a delivered event goes.'),
  onFailure: destination('Where a dead letter goes besides.'),
};

const hmac = z.strictObject({
  header: text('the name of a header', 'The header with the signature.'),
  algorithm: z
    .enum(['sha1', 'sha256', 'sha384', 'sha512'], { error: 'sha1, sha256, sha384 or sha512' })
    .optional(),
  encoding: z.enum(['hex', 'base64'], { error: 'hex or base64' }).optional(),
  prefix: z.string({ error: 'a text' }).describe('Before the signature, such as `sha256=`.').optional(),
  idHeader: text('the name of a header', 'The header with the id of the event.').optional(),
});

const VERIFY_EXPECTED = 'standard, github, stripe, slack, none, or an object with `header`';

const ACTIONS_EXPECTED = 'a list of insert, update, delete and truncate';
const tableSettings = (address: string) => ({
  ...connectionChoice(address),
  actions: z
    .array(z.enum(TABLE_ACTIONS, { error: ACTIONS_EXPECTED }), { error: ACTIONS_EXPECTED })
    .min(1, { error: ACTIONS_EXPECTED })
    .describe('What to tell of. Default: insert, update and delete.')
    .optional(),
  maxPerMinute: whole(
    1,
    10_000_000,
    'Changes a minute; further ones wait in the database. Default: no limit.',
  ).optional(),
  columns: z
    .array(z.string({ error: 'the name of a column' }).min(1), { error: 'a list of columns' })
    .min(1, { error: 'a list of columns' })
    .describe('Send these columns alone. Default: all.')
    .optional(),
});
const backfill = yesOrNo(
  'Tell the rows first that the table has when the trigger begins. Default: false.',
).optional();
const postgres = z.strictObject(
  {
    ...tableSettings('postgres://user:password@host/database'),
    table: text('the name of a table', 'The table, as `public.orders` or `orders`.'),
    where: text('an SQL expression', 'Tell only of rows for which this SQL expression holds.').optional(),
    maxLag: z
      .union([z.number().min(1), z.string().regex(MEMORY_TEXT, { error: MEMORY_EXPECTED })], {
        error: MEMORY_EXPECTED,
      })
      .describe(
        'What PostgreSQL may keep of its log for the trigger while nothing of it is read; then its slot is dropped, and changes are lost, loudly. Default: no limit.',
      )
      .optional(),
    backfill,
  },
  { error: 'an object with `connection` and `table`' },
);
const mysql = z.strictObject(
  {
    ...tableSettings('mysql://user:password@host/database'),
    table: text('the name of a table', 'The table, as `orders`, or with its database as `shop.orders`.'),
    backfill,
  },
  { error: 'an object with `connection` and `table`' },
);

const ROW_ACTIONS = TABLE_ACTIONS.filter((action) => action !== 'truncate');
const ROW_ACTIONS_EXPECTED = 'a list of insert, update and delete';
const sqlite = z.strictObject(
  {
    ...tableSettings('sqlite:///path/of/the/file'),
    table: text('the name of a table', 'The table.'),
    actions: z
      .array(z.enum(ROW_ACTIONS, { error: ROW_ACTIONS_EXPECTED }), { error: ROW_ACTIONS_EXPECTED })
      .min(1, { error: ROW_ACTIONS_EXPECTED })
      .describe('What to tell of. Default: all of insert, update and delete.')
      .optional(),
    where: text(
      'an SQL expression',
      'Tell only of rows for which this SQL expression holds, before or after the change.',
    ).optional(),
    backfill,
  },
  { error: 'an object with `connection` and `table`' },
);

export const triggerSchema = z
  .strictObject(
    {
      events: z
        .record(z.string(), z.unknown(), { error: 'an event pattern: an object' })
        .describe("Events of the bus that match this pattern, in EventBridge's language."),
      format: z
        .enum(['cloudevent', 'eventbridge'], { error: 'cloudevent or eventbridge' })
        .describe('How the function gets the event. Default: cloudevent.'),
      bus: z
        .string({ error: BUS_EXPECTED })
        .regex(BUS_NAME, { error: BUS_EXPECTED })
        .describe('Take events of this shared bus. Default: those of the app itself, and from outside.'),
      schedule: text(SCHEDULE_EXPECTED, 'A cron expression, `every 5m`, or `at 2026-03-01T09:00`.'),
      timezone: text('a time zone such as `Europe/Berlin`', 'The zone of a schedule. Default: UTC.'),
      missed: z
        .enum(['skip', 'last', 'all'], { error: 'skip, last or all' })
        .describe('What comes of instants that passed while the platform was down. Default: last.'),
      jitter: duration('Each instant is put off by up to this. Default: 0.'),
      overlap: z
        .enum(['allow', 'wait', 'skip'], { error: 'allow, wait or skip' })
        .describe(
          'When the run before has not ended: run beside it, after it, or not at all. Default: wait.',
        ),
      webhook: z
        .union([z.enum(['standard', 'github', 'stripe', 'slack', 'none']), hmac], { error: VERIFY_EXPECTED })
        .describe('A URL of its own at /_lambent/hooks/APP/TRIGGER, and who may sign what is sent there.'),
      secret: z
        .union([secretName, z.array(secretName).min(1)], {
          error: 'the name of an environment variable, or a list of them',
        })
        .describe(
          'Environment variables of the function with the keys of a webhook; any of them may have signed.',
        ),
      tolerance: duration('How far the time in a signature may be off, up to 24h. Default: 5m.'),
      postgres: postgres.describe('Changed rows of a table in PostgreSQL.'),
      mysql: mysql.describe('Changed rows of a table in MariaDB or MySQL.'),
      sqlite: sqlite.describe('Changed rows of a table in a file of SQLite’s.'),
      files: filesSchema,
      ...messageSchemas,
      ...deliverySettings,
    },
    { error: 'an object with `events`, `schedule`, `webhook`, a kind of database or a kind of broker' },
  )
  .partial();

export const triggersSchema = z
  .array(triggerSchema, {
    error:
      'a list of triggers, each with `events`, `schedule`, `webhook`, a kind of database or a kind of broker',
  })
  .describe('What else runs the function: events of the bus, schedules, webhooks, tables, messages.');

export type TriggerInput = z.input<typeof triggerSchema>;
