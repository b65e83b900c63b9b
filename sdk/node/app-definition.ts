/** Seconds as a number, or text: `500ms`, `30s`, `5m`, `1h`. */
export type Duration = number | string;
/** Megabytes (2^20 bytes) as a number, or text: `256mb`, `1gb`. */
export type MemorySize = number | string;

/** Methods a route may name; `ANY` stands for all. */
export type RouteMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | 'ANY';

/** Cross-origin settings of routes: the platform answers preflights itself and adds the headers. */
export interface CorsDefinition {
  /** Origins that may call. Default: `*`, every origin. */
  readonly origins?: readonly string[] | undefined;
  /** Methods that may be used. Default: all. */
  readonly methods?: readonly string[] | undefined;
  /** Request headers that may be sent. Default: `*` and `authorization`. */
  readonly headers?: readonly string[] | undefined;
  /** Response headers that scripts may read. Default: none beyond the standard ones. */
  readonly exposeHeaders?: readonly string[] | undefined;
  /** Whether cookies may be sent. Needs named origins. Default: false. */
  readonly credentials?: boolean | undefined;
  /** How long a browser may remember the preflight, up to 24h. Default: 10m. */
  readonly maxAge?: Duration | undefined;
}

/** A route of a function. */
export interface RouteDefinition {
  /** Path with parameters: `/users/:id`; `*` at the end takes the rest. */
  readonly path: string;
  /** Method or list of methods. Default: `ANY`. */
  readonly method?: RouteMethod | readonly RouteMethod[] | undefined;
  /** Only for this host; `*.example.com` matches its subdomains. Default: any host. */
  readonly host?: string | undefined;
  readonly cors?: boolean | CorsDefinition | undefined;
}

/** A route of the app. */
export interface AppRouteDefinition extends RouteDefinition {
  /** The function that answers. */
  readonly function: string;
}

/** Where the outcome of a delivery goes: to another function of the app, or onto the bus under a type. */
export type DestinationDefinition =
  | { readonly function: string }
  | { readonly workflow: string }
  /** An address outside, signed with these secrets as a Standard Webhook. */
  | { readonly webhook: string; readonly secret: string | readonly string[] }
  | { readonly emit: string };

/** Who may call a webhook: a signature in a header of the sender's own kind. */
export interface HmacDefinition {
  readonly header: string;
  /** Default: `sha256`. */
  readonly algorithm?: 'sha1' | 'sha256' | 'sha384' | 'sha512' | undefined;
  /** Default: `hex`. */
  readonly encoding?: 'hex' | 'base64' | undefined;
  /** Before the signature, such as `sha256=`. */
  readonly prefix?: string | undefined;
  /** The header with the id of the event. */
  readonly idHeader?: string | undefined;
}

/** How the two sides of an encrypted connection know each other. */
export interface ConnectionTlsDefinition {
  /** Secret with the certificates of the authorities to trust, as PEM. Default: the usual ones. */
  readonly ca?: string | undefined;
  /** Secret with the certificate to log in with, as PEM. */
  readonly cert?: string | undefined;
  /** Secret with the key of `cert`, as PEM. */
  readonly key?: string | undefined;
  /** The name that the certificate must be for. Default: the host. */
  readonly serverName?: string | undefined;
  /** Whether the certificate must hold. Default: true. */
  readonly verify?: boolean | undefined;
}

/** An outside service: `url`, or else `host` and what goes with it. */
export interface ConnectionDefinition {
  readonly kind: 'postgres' | 'mysql' | 'sqlite' | 'redis' | 'rabbitmq' | 'nats' | 'mqtt' | 'kafka' | 'sqs';
  /** Secret with the whole address. */
  readonly url?: string | undefined;
  /** Name or address of the host. */
  readonly host?: string | undefined;
  /** Default: the usual one of the kind. */
  readonly port?: number | undefined;
  /** The database; of Redis its number, of RabbitMQ the virtual host. */
  readonly database?: string | number | undefined;
  /** Who logs in; of SQS the id of the access key. */
  readonly user?: string | undefined;
  /** Secret with the password; of SQS with the key itself. */
  readonly password?: string | undefined;
  /** Of Kafka: how `user` logs in. Default: `plain`. */
  readonly sasl?: 'plain' | 'scram-sha-256' | 'scram-sha-512' | undefined;
  /** Of SQS: the region that requests are signed for. Default: that of the host, or `us-east-1`. */
  readonly region?: string | undefined;
  /** Default: as the address says; with `host`, false. */
  readonly tls?: boolean | ConnectionTlsDefinition | undefined;
}

interface ConnectionChoice {
  /** The connection, by its name in `connections`. */
  readonly connection?: string | undefined;
  /** In its place: secret of the app, or environment variable of the function, with the address. */
  readonly url?: string | undefined;
}

interface TableDefinition extends ConnectionChoice {
  /** Changes a minute; further ones wait in the database. Default: no limit. */
  readonly maxPerMinute?: number | undefined;
  /** What to tell of. Default: insert, update and delete. */
  readonly actions?: readonly ('insert' | 'update' | 'delete' | 'truncate')[] | undefined;
  /** Send these columns alone. Default: all. */
  readonly columns?: readonly string[] | undefined;
}

/** Changed rows of a table in PostgreSQL. */
export interface PostgresDefinition extends TableDefinition {
  /** The table, as `public.orders` or `orders`. */
  readonly table: string;
  /** Tell only of rows for which this SQL expression holds. */
  readonly where?: string | undefined;
  /** What the server may keep of its log while nothing of it is read; then the slot is dropped. Default: no limit. */
  readonly maxLag?: MemorySize | undefined;
  /** Tell the rows first that the table has when the trigger begins. Default: false. */
  readonly backfill?: boolean | undefined;
}

/** Changed rows of a table in MariaDB or MySQL. */
export interface MysqlDefinition extends TableDefinition {
  /** The table, as `orders`, or with its database as `shop.orders`. */
  readonly table: string;
}

/** Changed rows of a table in a file of SQLite's. */
export interface SqliteDefinition extends ConnectionChoice {
  /** Changes a minute; further ones wait in the database. Default: no limit. */
  readonly maxPerMinute?: number | undefined;
  /** The table. */
  readonly table: string;
  /** What to tell of. Default: all of them. */
  readonly actions?: readonly ('insert' | 'update' | 'delete')[] | undefined;
  /** Send these columns alone. Default: all. */
  readonly columns?: readonly string[] | undefined;
  /** Tell only of rows for which this SQL expression holds, before or after the change. */
  readonly where?: string | undefined;
}

interface BrokerDefinition extends ConnectionChoice {
  /** Messages that are received and not yet acknowledged, at most. Default: 100. */
  readonly prefetch?: number | undefined;
}

/** Messages of a stream of Redis. */
export interface RedisDefinition extends BrokerDefinition {
  /** The key of the stream. */
  readonly stream: string;
  /** The consumer group. Default: made of the trigger. */
  readonly group?: string | undefined;
  /** Where the first start begins: with what is there, or with what comes. Default: `all`. */
  readonly from?: 'all' | 'new' | undefined;
}

/** Messages of a queue of RabbitMQ. */
export interface RabbitDefinition extends BrokerDefinition {
  /** The queue, which must be there. */
  readonly queue: string;
}

/** Messages of a stream of JetStream, or of a subject of NATS: one of `stream` and `subject` at least. */
export interface NatsDefinition extends BrokerDefinition {
  /** The stream, which must be there. */
  readonly stream?: string | undefined;
  /** With `stream`: only these messages of it; without: as they are sent, without a promise. */
  readonly subject?: string | undefined;
  /** The durable consumer of the stream. Default: made of the trigger. */
  readonly consumer?: string | undefined;
  /** Without `stream`: listeners that share the messages. */
  readonly queue?: string | undefined;
  /** Where the first start begins: with what is there, or with what comes. Default: `all`. */
  readonly from?: 'all' | 'new' | undefined;
}

/** Messages of a topic of MQTT. */
export interface MqttDefinition extends BrokerDefinition {
  /** The topic. May have wildcards, and `$share/GROUP/` before it. */
  readonly topic: string;
  /** How the broker gives messages, at most; with 0 without a promise. Default: 1. */
  readonly qos?: 0 | 1 | 2 | undefined;
  /** What the client id begins with. Default: made of the trigger. */
  readonly client?: string | undefined;
  /** Where the first start begins: with what the broker retains, or with what comes. Default: `all`. */
  readonly from?: 'all' | 'new' | undefined;
}

/** Messages of a topic of Kafka. */
export interface KafkaDefinition extends BrokerDefinition {
  /** The topic, which must be there. */
  readonly topic: string;
  /** The consumer group. Default: made of the trigger. */
  readonly group?: string | undefined;
  /** Where the first start begins: with what is there, or with what comes. Default: `all`. */
  readonly from?: 'all' | 'new' | undefined;
}

/** Messages of a queue of SQS. */
export interface SqsDefinition extends BrokerDefinition {
  /** The queue, which must be there. */
  readonly queue: string;
}

/** Files of a folder of the platform's machine. */
export interface FilesDefinition {
  /** The folder, as an absolute path. The operator must allow it. */
  readonly folder: string;
  /** Globs over the path within the folder. Default: `**`, all. */
  readonly match?: readonly string[] | undefined;
  /** What to tell of. Default: all three. */
  readonly actions?: readonly ('create' | 'change' | 'remove')[] | undefined;
  /** A file is told of once it was the same for this long. Default: 2s. */
  readonly settle?: string | number | undefined;
  /** Whether what is there at the first look counts as created. Default: false. */
  readonly existing?: boolean | undefined;
  /** Whether the content goes along, up to 512 KiB. Default: false. */
  readonly content?: boolean | undefined;
}

/** What runs a function besides HTTP: one of `events`, `schedule`, `webhook`, a table or a broker, and how events are delivered. */
export interface TriggerDefinition {
  /** Events of the bus that match this pattern, in EventBridge's language. */
  readonly events?: Readonly<Record<string, unknown>> | undefined;
  /** Files of a folder that are created, changed or removed. */
  readonly files?: FilesDefinition | undefined;
  /** How the function gets the event. Default: `cloudevent`. */
  readonly format?: 'cloudevent' | 'eventbridge' | undefined;
  /** Take events of this shared bus. Default: those of the app itself, and from outside. */
  readonly bus?: string | undefined;
  /** A cron expression, `every 5m`, or `at 2026-03-01T09:00`. */
  readonly schedule?: string | undefined;
  /** The zone of a schedule. Default: UTC. */
  readonly timezone?: string | undefined;
  /** What comes of instants that passed while the platform was down. Default: `last`. */
  readonly missed?: 'skip' | 'last' | 'all' | undefined;
  /** Each instant is put off by up to this. Default: 0. */
  readonly jitter?: Duration | undefined;
  /** When the run before has not ended: run beside it, after it, or not at all. Default: `wait`. */
  readonly overlap?: 'allow' | 'wait' | 'skip' | undefined;
  /** A URL of its own at /_lambent/hooks/APP/TRIGGER, and who may sign what is sent there. */
  readonly webhook?: 'standard' | 'github' | 'stripe' | 'slack' | 'none' | HmacDefinition | undefined;
  /** Environment variables of the function with the keys of a webhook; any of them may have signed. */
  readonly secret?: string | readonly string[] | undefined;
  /** How far the time in a signature may be off, up to 24h. Default: 5m. */
  readonly tolerance?: Duration | undefined;
  readonly postgres?: PostgresDefinition | undefined;
  readonly mysql?: MysqlDefinition | undefined;
  readonly sqlite?: SqliteDefinition | undefined;
  readonly redis?: RedisDefinition | undefined;
  readonly rabbitmq?: RabbitDefinition | undefined;
  readonly nats?: NatsDefinition | undefined;
  readonly mqtt?: MqttDefinition | undefined;
  readonly kafka?: KafkaDefinition | undefined;
  readonly sqs?: SqsDefinition | undefined;
  /** Name of the trigger: it keeps its place across deployments. Default: made of the function and the kind. */
  readonly name?: string | undefined;
  /** Attempts of one event, the first included; then it is a dead letter. Default: 8. */
  readonly attempts?: number | undefined;
  /** An event that fails when it is older than this is a dead letter. Default: 24h. */
  readonly maxAge?: Duration | undefined;
  /** The first retry comes after up to this; each further one after up to twice as long. Default: 1s. */
  readonly retryFirst?: Duration | undefined;
  /** The longest pause between retries. Default: 5m. */
  readonly retryMax?: Duration | undefined;
  /** Events in one call; the function then gets a list. Default: one event, no list. */
  readonly batch?: number | undefined;
  /** How long the first event of a batch waits for others, up to 5m. Default: 0. */
  readonly window?: Duration | undefined;
  /** When a batch fails as a whole, try its halves. Default: false. */
  readonly bisect?: boolean | undefined;
  /** Calls at the same time. Default: 64. */
  readonly concurrency?: number | undefined;
  /** Events with the same value at this path are delivered in order. Default: of Kafka and SQS `partitionkey`, of tables `subject`, of others no order. */
  readonly key?: string | undefined;
  /** Calls per second. Default: no limit. */
  readonly rate?: number | undefined;
  /** Deliver only the last event (of each key), once none came for this long. Default: 0, all. */
  readonly debounce?: Duration | undefined;
  /** A later event with the same value at this path is a repetition. Default: none but by id. */
  readonly dedupe?: string | undefined;
  /** How long `dedupe` remembers a value, up to 24h. Default: 5m. */
  readonly dedupeWindow?: Duration | undefined;
  /** Where the result of a delivered event goes. */
  readonly onSuccess?: DestinationDefinition | undefined;
  /** Where a dead letter goes besides. */
  readonly onFailure?: DestinationDefinition | undefined;
}

/**
 * What functions may connect to: `none`; `internet`, every public address; or a list of hosts (`api.example.com`,
 * `*.example.com`), addresses and networks (`10.0.0.0/8`), each with or without a port (`db.internal:5432`). What is
 * not public is reachable only where an entry names its address or network.
 */
export type NetworkDefinition = 'none' | 'internet' | readonly string[];

/** How a program is made from its source. */
export interface BuildDefinition {
  /** The command: a line for the shell, or the program and its arguments. */
  readonly run: string | readonly string[];
  /** The folder that is deployed, in that of the program. Default: all of it. */
  readonly output?: string | undefined;
  /** How long it may take, 1s to 1h. Default: 10m. */
  readonly timeout?: Duration | undefined;
}

/** A window in which instances stay up without work. */
export interface KeepWarmDefinition {
  /** When the window opens: a cron expression, `every 12h`, or `at 2026-03-01T09:00`. */
  readonly schedule: string;
  /** The zone of the schedule. Default: UTC. */
  readonly timezone?: string | undefined;
  /** How long the window stays open, 1s to 24h. */
  readonly for: Duration;
  /** Instances that stay up without work meanwhile. Default: 1. */
  readonly instances?: number | undefined;
}

/** Settings of one function; every one has a default. */
export interface FunctionDefinition {
  /**
   * The file with the code, relative to the app. Default: `functions/<name>.ts` (or .js, .py …), or
   * `functions/<name>/index.ts`.
   */
  readonly entry?: string | undefined;
  /**
   * The language, with the version that it must have where it matters: `python3.12`. Default: by the ending of
   * `entry`, in the version that the machine has.
   */
  readonly runtime?: string | undefined;
  /**
   * Starts a web server in any language: a line for the shell, or the program and its arguments. It runs in the folder
   * that `entry` names (default: the app) and listens on the port in PORT.
   */
  readonly command?: string | readonly string[] | undefined;
  /** The port that `command` listens on, if it does not look at PORT. Default: one that is free, in PORT. */
  readonly port?: number | undefined;
  /** A path that the server of `command` answers with a status below 400 once it is ready. Default: it is when it listens. */
  readonly ready?: string | undefined;
  /**
   * Makes the program of a `command` or a `bootstrap` from its source, in a copy of its folder: a line for the shell, the
   * program and its arguments, or `run` with `output` and `timeout`. Default: the folder is deployed as it is.
   */
  readonly build?: string | readonly string[] | BuildDefinition | undefined;
  /** The export to call. Default: recognised by what the file exports. */
  readonly handler?: string | undefined;
  /**
   * Where the function answers HTTP: `GET /users/:id`, `/files/*`, or objects. Default: `/<name>` and all below,
   * unless a route of the app names it; `[]`: not over HTTP.
   */
  readonly routes?: readonly (string | RouteDefinition)[] | undefined;
  /** Cross-origin calls: `true` allows every origin without cookies; `false` sets nothing. */
  readonly cors?: boolean | CorsDefinition | undefined;
  /** The longest one invocation may take, 1ms to 24h. Default: 30s. */
  readonly timeout?: Duration | undefined;
  /** Memory of one instance, 32mb to 32gb. Default: 256mb. */
  readonly memory?: MemorySize | undefined;
  /** Invocations that one instance runs at the same time. Default: 1 for Lambda handlers, 100 for web apps. */
  readonly concurrency?: number | undefined;
  /** Invocations that run at the same time over all instances; more wait, then get 429. Default: 1000. */
  readonly maxConcurrency?: number | undefined;
  /** Instances that may exist. Default: 20. */
  readonly maxInstances?: number | undefined;
  /** Instances that stay up without work. Default: 0. */
  readonly minInstances?: number | undefined;
  /** Windows in which more instances stay up without work than `minInstances`. Default: none. */
  readonly keepWarm?: readonly KeepWarmDefinition[] | undefined;
  /** Concurrency kept free for this function alone. Default: 0, none. */
  readonly reservedConcurrency?: number | undefined;
  /** How long an instance without work lives on, up to 24h. Default: 5m. */
  readonly idle?: Duration | undefined;
  /** How long an instance may take until it is ready, up to 24h. Default: 20s. */
  readonly startTimeout?: Duration | undefined;
  /** Whether an instance that has been without work for 2s gets no processor time until the next call. Default: true. */
  readonly freeze?: boolean | undefined;
  /**
   * Whether what goes into its calls and comes out of them is kept with the history, as far as there is room.
   * Default: true.
   */
  readonly keepPayloads?: boolean | undefined;
  /** Invocations that may wait for an instance. Default: 1000. */
  readonly queue?: number | undefined;
  /** Largest request body in megabytes; 0: no limit. Default: 0. */
  readonly maxRequestMb?: number | undefined;
  /** Largest response in megabytes. Default: 64. */
  readonly maxResponseMb?: number | undefined;
  /** What else runs the function: events of the bus, schedules, webhooks. */
  readonly on?: readonly TriggerDefinition[] | undefined;
  /** Secrets of the app that it gets as environment variables; `lambent secrets set` gives them their values. */
  readonly secrets?: readonly string[] | undefined;
  /** Connections of the app that it may send messages through. Default: none. */
  readonly connections?: readonly string[] | undefined;
  /** Other apps whose functions may call this one by `app/name`. Functions of its own app always may. Default: none. */
  readonly callers?: readonly string[] | undefined;
  /** Attempts of an asynchronous invocation, the first included. Default: 3. */
  readonly attempts?: number | undefined;
  /** What it may connect to. Default: what the app says, else `internet`. */
  readonly network?: NetworkDefinition | undefined;
  /** Environment variables, over those of the app. */
  readonly env?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Packages to copy as they are instead of bundling them (found by themselves where they hold native code). */
  readonly external?: readonly string[] | undefined;
  /** Further files to copy along, as paths or globs relative to the app. */
  readonly include?: readonly string[] | undefined;
}

/** Settings of one durable workflow; every one has a default. */
export interface WorkflowDefinition {
  /** The file with the code, relative to the app. Default: `workflows/<name>.ts`, or `workflows/<name>/index.ts`. */
  readonly entry?: string | undefined;
  /** The export that is the workflow. Default: the default export. */
  readonly handler?: string | undefined;
  /** Where a request starts an execution. Default: none. */
  readonly routes?: readonly (string | RouteDefinition)[] | undefined;
  /** The longest one attempt of a step may take, 1ms to 24h. Default: 15m. */
  readonly timeout?: Duration | undefined;
  /** Memory of one instance, 32mb to 32gb. Default: 256mb. */
  readonly memory?: MemorySize | undefined;
  /** Instances that may exist. Default: 20. */
  readonly maxInstances?: number | undefined;
  /** How long an instance without work lives on, up to 24h. Default: 5m. */
  readonly idle?: Duration | undefined;
  /** Environment variables, over those of the app. */
  readonly env?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Packages to copy as they are instead of bundling them. */
  readonly external?: readonly string[] | undefined;
  /** Further files to copy along, as paths or globs relative to the app. */
  readonly include?: readonly string[] | undefined;
}

/** An app, as `lambent.yaml` would say it. */
export interface AppDefinition {
  /** The app's name: lower-case letters, digits and hyphens, at most 63. Default: the folder's name. */
  readonly app?: string | undefined;
  /** The functions by name. Default: each file in `functions/`. */
  readonly functions?: Readonly<Record<string, FunctionDefinition | null>> | undefined;
  /** The durable workflows by name. Default: each file in `workflows/`. */
  readonly workflows?: Readonly<Record<string, WorkflowDefinition | null>> | undefined;
  /** Routes of the app, each naming its function. */
  readonly routes?: readonly AppRouteDefinition[] | undefined;
  /** Outside services by name, with what is needed to log in. */
  readonly connections?: Readonly<Record<string, ConnectionDefinition>> | undefined;
  /** By the name of a bus, which of the app's events other apps may hear there: an event pattern. Default: none. */
  readonly share?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
  /** Packages whose own code may run while they are installed. Default: none. */
  readonly allowScripts?: readonly string[] | undefined;
  /** What every function may connect to that has no `network` of its own. */
  readonly network?: NetworkDefinition | undefined;
  /** Environment variables of every function. */
  readonly env?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Cross-origin settings of every route that has none of its own. */
  readonly cors?: boolean | CorsDefinition | undefined;
}
