// biome-ignore-all format: written by a program
/** What the control API answers. Written by `npm run docs` from the server's OpenAPI document; edits are lost. */

export type AccessKey = { readonly name: string; readonly accessKeyId: string; readonly createdMs: number };

export type Activity = { readonly stepMs: number; readonly items: readonly { readonly fromMs: number; readonly functions: readonly FunctionSums[] }[]; readonly priceTable: { readonly source: string; readonly date: string; readonly region: string; readonly cpu: 'x86_64' | 'arm64' } };

export type App = LiveApp & { readonly functions: number };

export type CallPayload = { readonly head?: string; readonly headers?: readonly (readonly [string, string])[]; readonly body: string; readonly encoding: 'utf8' | 'base64'; readonly bytes: number; readonly cut: boolean; readonly redacted: boolean };

export type CallPayloads = { readonly kept: 'yes' | 'off' | 'no'; readonly input?: CallPayload; readonly output?: CallPayload };

export type Connection = { readonly app: string; readonly name: string; readonly kind: 'postgres' | 'mysql' | 'sqlite' | 'redis' | 'rabbitmq' | 'nats' | 'mqtt' | 'kafka' | 'sqs'; readonly place: string; readonly secrets: readonly string[]; readonly triggers: readonly string[]; readonly functions: readonly string[] };

export type ConnectionReport = { readonly app: string; readonly name: string; readonly kind: 'postgres' | 'mysql' | 'sqlite' | 'redis' | 'rabbitmq' | 'nats' | 'mqtt' | 'kafka' | 'sqs'; readonly ok: boolean; readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly text: string; readonly fix?: string }[] };

export type DeadLetter = { readonly key: number; readonly trigger: string; readonly seq: number; readonly id: string; readonly source: string; readonly type: string; readonly attempts: number; readonly diedMs: number; readonly error: InvocationError };

export type DeadLetterDetail = DeadLetter & { readonly event?: unknown };

export type DeliveryAttempt = { readonly trigger: string; readonly delivery: number; readonly attempt: number; readonly startedMs: number; readonly tookMs: number; readonly invocation?: string; readonly error?: InvocationError; readonly nextMs?: number };

export type DeliveryPolicy = { readonly attemptsMax: number; readonly ageMaxMs: number; readonly retryFirstMs: number; readonly retryMaxMs: number; readonly batchMax: number; readonly batched: boolean; readonly windowMs: number; readonly bisect: boolean; readonly concurrency: number; readonly key?: string; readonly ratePerSecond: number; readonly debounceMs: number; readonly dedupeKey?: string; readonly dedupeMs: number; readonly onSuccess?: Destination; readonly onFailure?: Destination };

export type DeployLine = { readonly line: { readonly step: string; readonly text: string } } | { readonly result: { readonly deployment: Deployment; readonly live: LiveApp; readonly tookMs: number; readonly changes: readonly SourceChange[]; readonly url?: string; readonly preview: { readonly host: string; readonly url?: string } } } | { readonly error: ErrorRecord };

export type DeployedTrigger = { readonly name: string; readonly function: string; readonly source: TriggerSource; readonly delivery: DeliveryPolicy; readonly starts?: TriggerTarget; readonly rule?: { readonly name: string; readonly arn: string; readonly [name: string]: unknown } };

export type Deployment = { readonly app: string; readonly number: number; readonly createdMs: number; readonly createdBy: string; readonly note: string; readonly functions: readonly { readonly id: string; readonly app: string; readonly name: string; readonly runtime: string; readonly code: string; readonly runtimePin: string; readonly packages?: string; readonly entry: string; readonly handler?: string; readonly config: FunctionConfig }[]; readonly routes: readonly ({ readonly method: string; readonly path: string; readonly host?: string; readonly function: string; readonly cors?: { readonly origins: readonly string[]; readonly methods: readonly string[]; readonly headers: readonly string[]; readonly exposeHeaders: readonly string[]; readonly credentials: boolean; readonly maxAgeS: number } })[]; readonly triggers: readonly DeployedTrigger[]; readonly connections: readonly { readonly [name: string]: unknown }[]; readonly shares: readonly { readonly [name: string]: unknown }[] };

export type DeploymentSummary = { readonly app: string; readonly number: number; readonly createdMs: number; readonly createdBy: string; readonly note: string; readonly functionCount: number; readonly weight: number };

export type Destination = { readonly kind: 'function'; readonly function: string } | { readonly kind: 'workflow'; readonly workflow: string } | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly string[] } | { readonly kind: 'emit'; readonly type: string };

export type DoctorFinding = { readonly name: string; readonly status: 'ok' | 'warn' | 'fail'; readonly text: string; readonly fix?: string };

export type ErrorBody = { readonly error: ErrorRecord; readonly requestId: string };

export type ErrorRecord = { readonly code: 'E_TIMEOUT' | 'E_HISTORY_TOO_LONG' | 'E_TOO_MANY_OPERATIONS' | 'E_NON_DETERMINISTIC' | 'E_RULES_CHANGED' | 'E_WORKFLOW_STUCK' | 'E_NOT_SERIALIZABLE' | 'E_EXECUTION_ENDED' | 'E_EXECUTION_CANCELLED' | 'E_CALLBACK_EXPIRED' | 'E_IDEMPOTENCY_CONFLICT' | 'E_BAD_REQUEST' | 'E_UNAUTHENTICATED' | 'E_SIGNATURE_REFUSED' | 'E_TOO_MANY_ATTEMPTS' | 'E_FORBIDDEN' | 'E_HOST_REFUSED' | 'E_ROUTE_NOT_FOUND' | 'E_METHOD_NOT_ALLOWED' | 'E_NOT_FOUND' | 'E_CONFLICT' | 'E_PAYLOAD_TOO_LARGE' | 'E_HEADERS_TOO_LARGE' | 'E_REQUEST_TIMEOUT' | 'E_CLIENT_CLOSED' | 'E_MANIFEST_INVALID' | 'E_APP_EMPTY' | 'E_ARCHIVE_INVALID' | 'E_ARCHIVE_TOO_LARGE' | 'E_BUILD_FAILED' | 'E_DEPENDENCIES_FAILED' | 'E_BUILD_LIMIT' | 'E_TOOLCHAIN_MISSING' | 'E_HANDLER_MISSING' | 'E_PATTERN_INVALID' | 'E_EVENT_INVALID' | 'E_SIGNATURE_INVALID' | 'E_SECRET_MISSING' | 'E_SECRET_INVALID' | 'E_SECRET_UNREADABLE' | 'E_SOURCE_SETUP' | 'E_SLOT_LOST' | 'E_BINLOG_LOST' | 'E_TABLE_RATE' | 'E_CHANGES_LOST' | 'E_BROKER_SETUP' | 'E_CONNECTION_NOT_NAMED' | 'E_SEND_FAILED' | 'E_SOURCE_FAILED' | 'E_EVENT_LOOP' | 'E_EVENT_UNDELIVERABLE' | 'E_BOOT_FAILED' | 'E_FUNCTION_ERROR' | 'E_FUNCTION_RESPONSE_INVALID' | 'E_RESPONSE_TOO_LARGE' | 'E_FUNCTION_TIMEOUT' | 'E_FUNCTION_EXITED' | 'E_INSTANCE_LOST' | 'E_OUT_OF_MEMORY' | 'E_TOO_MANY_PROCESSES' | 'E_PROTOCOL' | 'E_UPGRADE_REFUSED' | 'E_CONCURRENCY_LIMIT' | 'E_CALL_DEPTH' | 'E_CALL_DEADLOCK' | 'E_TOO_MANY_CALLS' | 'E_TOO_MANY_CONNECTIONS' | 'E_OVERLOADED' | 'E_START_FAILED' | 'E_ISOLATION_TOO_WEAK' | 'E_SHUTTING_DOWN' | 'E_PORT_IN_USE' | 'E_STORE_LOCKED' | 'E_STORE_NEWER' | 'E_STORE_DAMAGED' | 'E_DISK_FULL' | 'E_STORE_FAILED' | 'E_NODE_MISSING' | 'E_INTERNAL' | 'E_FILE' | 'E_USAGE' | 'E_UNREACHABLE' | 'E_WORKFLOW_FAILED' | 'E_TASK_FAILED' | 'E_INVALID_DEFINITION'; readonly message: string; readonly fault: 'caller' | 'author' | 'operator'; readonly retryable: boolean; readonly hint: string; readonly details?: { readonly [name: string]: unknown } };

export type EventDetail = EventSummary & { readonly event?: unknown; readonly owedTo: readonly string[]; readonly deadAt: readonly string[]; readonly attempts: readonly DeliveryAttempt[] };

export type EventSummary = { readonly seq: number; readonly scope: string; readonly id: string; readonly source: string; readonly type: string; readonly subject?: string; readonly receivedMs: number; readonly depth: number; readonly bytes: number };

export type Execution = { readonly id: string; readonly app: string; readonly workflow: string; readonly kind: 'code' | 'asl'; readonly version: string; readonly deployment: number; readonly rules: number; readonly status: 'queued' | 'ready' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled' | 'timedOut' | 'continued'; readonly priority: number; readonly parent?: { readonly execution: string; readonly op: number }; readonly origin?: { readonly depth: number; readonly traceparent?: string }; readonly concurrencyKey?: string; readonly createdMs: number; readonly endedMs?: number; readonly dueMs?: number; readonly expiresMs?: number; readonly entries: number; readonly bytes: number };

export type ExecutionFlow = { readonly app: string; readonly workflow: string; readonly began: number; readonly ended: number; readonly failed: number };

export type ExecutionGraph = { readonly source: 'definition' | 'executions'; readonly nodes: readonly { readonly id: string; readonly kind: string; readonly label: string; readonly parent?: string; readonly count?: number; readonly state?: PlaceState }[]; readonly edges: readonly { readonly from: string; readonly to: string; readonly label?: string; readonly count?: number }[]; readonly left: number; readonly mermaid?: string };

export type ExecutionOutcome = { readonly id: string; readonly status: 'queued' | 'ready' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled' | 'timedOut' | 'continued'; readonly output?: unknown; readonly largeOutput?: LargePayload; readonly error?: { readonly code: string; readonly errorType: string; readonly errorMessage: string } };

export type ExecutionStep = { readonly step: number; readonly parent?: number; readonly item?: number; readonly op?: number; readonly kind: string; readonly name: string; readonly at?: string; readonly status: 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled'; readonly fromMs: number; readonly toMs?: number; readonly dueMs?: number; readonly attempts: readonly { readonly fromMs: number; readonly toMs?: number; readonly error?: StepError }[]; readonly attemptCount: number; readonly error?: StepError; readonly execution?: string; readonly firstEntry: number; readonly lastEntry?: number };

export type ExecutionStepDetail = ExecutionStep & { readonly input?: unknown; readonly output?: unknown; readonly largeInput?: LargePayload; readonly largeOutput?: LargePayload };

export type FunctionConfig = { readonly timeoutMs: number; readonly memoryMb: number; readonly concurrency?: number; readonly maxConcurrency: number; readonly maxInstances: number; readonly minInstances: number; readonly keepWarm?: readonly ({ readonly when: { readonly kind: 'cron'; readonly expression: string } | { readonly kind: 'rate'; readonly everyMs: number } | { readonly kind: 'at'; readonly time: string }; readonly timeZone: string; readonly lengthMs: number; readonly instances: number })[]; readonly reservedConcurrency: number; readonly idleMs: number; readonly startMs?: number; readonly queueMax: number; readonly maxResponseMb: number; readonly maxRequestMb: number; readonly attemptsMax: number; readonly network: 'none' | 'internet' | readonly string[]; readonly env: { readonly [name: string]: string }; readonly secrets?: readonly string[]; readonly connections?: readonly string[]; readonly callers?: readonly string[]; readonly freeze?: false; readonly keepPayloads?: false; readonly workflow?: true; readonly command?: { readonly argv: readonly string[]; readonly port?: number; readonly readyPath?: string } };

export type FunctionSums = { readonly app: string; readonly function: string; readonly invocations: number; readonly errors: number; readonly coldStarts: number; readonly billedMs: number; readonly billedMbMs: number; readonly awsCostUsd: number };

export type Health = { readonly status: 'ok'; readonly version: string; readonly mode: 'dev' | 'start'; readonly nodeId: string; readonly startedMs: number; readonly uptimeMs: number };

export type HistoryEntry = { readonly kind: 'started'; readonly atMs: number; readonly input: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number }; readonly seed: string } | { readonly kind: 'opened'; readonly atMs: number; readonly op: number; readonly task: { readonly kind: 'step'; readonly name: string; readonly retry: { readonly attemptsMax: number; readonly firstMs: number; readonly factor: number; readonly maxMs: number; readonly jitter: boolean }; readonly timeoutMs?: number } | { readonly kind: 'call'; readonly function: string; readonly input: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number }; readonly retry?: { readonly attemptsMax: number; readonly firstMs: number; readonly factor: number; readonly maxMs: number; readonly jitter: boolean } } | { readonly kind: 'sleep'; readonly name?: string } | { readonly kind: 'event'; readonly event: string; readonly match?: unknown } | { readonly kind: 'callback'; readonly name?: string; readonly token: string } | { readonly kind: 'child'; readonly workflow: string; readonly input: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number }; readonly execution: string; readonly waits: boolean } | { readonly kind: 'signal'; readonly execution: string; readonly name: string; readonly input: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number } } | { readonly kind: 'resource'; readonly resource: string; readonly input: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number } } | { readonly kind: 'scope'; readonly form: string; readonly name: string }; readonly dueMs?: number; readonly at?: string; readonly scope?: number; readonly item?: number } | { readonly kind: 'attempted'; readonly atMs: number; readonly op: number; readonly attempt: number } | { readonly kind: 'attemptFailed'; readonly atMs: number; readonly op: number; readonly attempt: number; readonly error: { readonly code: string; readonly errorType: string; readonly errorMessage: string; readonly stackTrace: readonly string[] }; readonly retryAtMs?: number } | { readonly kind: 'extended'; readonly atMs: number; readonly op: number; readonly dueMs: number } | { readonly kind: 'completed'; readonly atMs: number; readonly op: number; readonly output: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number } } | { readonly kind: 'failed'; readonly atMs: number; readonly op: number; readonly error: { readonly code: string; readonly errorType: string; readonly errorMessage: string; readonly stackTrace: readonly string[] } } | { readonly kind: 'closed'; readonly atMs: number; readonly op: number } | { readonly kind: 'signalled'; readonly atMs: number; readonly name: string; readonly input: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number }; readonly update?: string } | { readonly kind: 'answered'; readonly atMs: number; readonly update: string; readonly result: { readonly output: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number } } | { readonly error: { readonly code: string; readonly errorType: string; readonly errorMessage: string; readonly stackTrace: readonly string[] } } } | { readonly kind: 'cancelRequested'; readonly atMs: number; readonly reason: string } | { readonly kind: 'noted'; readonly atMs: number; readonly note?: unknown } | { readonly kind: 'ended'; readonly atMs: number; readonly outcome: { readonly status: 'succeeded'; readonly output: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number } } | { readonly status: 'failed'; readonly error: { readonly code: string; readonly errorType: string; readonly errorMessage: string; readonly stackTrace: readonly string[] } } | { readonly status: 'cancelled'; readonly error: { readonly code: string; readonly errorType: string; readonly errorMessage: string; readonly stackTrace: readonly string[] } } | { readonly status: 'timedOut'; readonly error: { readonly code: string; readonly errorType: string; readonly errorMessage: string; readonly stackTrace: readonly string[] } } | { readonly status: 'continued'; readonly execution: string; readonly input: { readonly json?: unknown } | { readonly blob: string; readonly bytes: number } } };

export type Instance = { readonly id: string; readonly app: string; readonly function: string; readonly version: string; readonly state: 'starting' | 'ready' | 'frozen' | 'retiring'; readonly pid: number; readonly startedMs: number; readonly activeInvocations: number; readonly servedInvocations: number; readonly memoryPeakMb: number; readonly kept: boolean; readonly concurrency: number; readonly concurrencyReason: string };

export type InvocationError = { readonly code: string; readonly errorType: string; readonly errorMessage: string; readonly stackTrace: readonly string[] };

export type InvocationRecord = { readonly id: string; readonly app: string; readonly function: string; readonly version: string; readonly deployment: number; readonly trigger: 'http' | 'invoke' | 'async' | 'websocket' | 'event'; readonly status: 'ok' | 'error' | 'timeout' | 'crashed' | 'throttled' | 'refused' | 'cancelled'; readonly cold: boolean; readonly instance?: string; readonly arrivedMs: number; readonly queueUs: number; readonly startUs: number; readonly runUs: number; readonly billedMs: number; readonly memoryMb: number; readonly memoryPeakMb: number; readonly httpStatus: number; readonly summary: string; readonly callerRequestId?: string; readonly attempt: number; readonly error?: InvocationError };

export type InvokeAnswer = { readonly id: string; readonly status: 'ok'; readonly result?: unknown; readonly billedMs: number } | { readonly id: string; readonly status: 'failed'; readonly error: InvocationError; readonly billedMs: number };

export type Isolation = { readonly driver: string; readonly level: 'A' | 'B' | 'C' | 'D' | 'E'; readonly summary: string; readonly advice?: string; readonly protections: readonly { readonly name: string; readonly enforced: boolean; readonly note: string }[] };

export type LargePayload = { readonly blob: string; readonly bytes: number };

export type LatencyHour = { readonly minutes: readonly { readonly fromMs: number; readonly calls: number; readonly p50Us: number; readonly p95Us: number; readonly p99Us: number }[]; readonly all: { readonly calls: number; readonly p50Us: number; readonly p95Us: number; readonly p99Us: number } };

export type LiveApp = { readonly app: string; readonly generation: number; readonly traffic: readonly TrafficShare[] };

export type LiveFunction = { readonly app: string; readonly name: string; readonly version: string; readonly deployment: number; readonly weight: number; readonly runtime: string; readonly config: FunctionConfig; readonly routes: readonly { readonly method: string; readonly host?: string; readonly path: string }[]; readonly instances: number; readonly kept: { readonly instances: number; readonly untilMs?: number }; readonly concurrency?: { readonly calls: number; readonly reason: string } };

export type LogLine = { readonly sequence: number; readonly timeMs: number; readonly app: string; readonly function: string; readonly version: string; readonly instance?: string; readonly invocation?: string; readonly stream: 'stdout' | 'stderr' | 'platform'; readonly severity: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'; readonly text: string };

export type NewAccessKey = { readonly name: string; readonly accessKeyId: string; readonly secretAccessKey: string };

export type NewToken = { readonly name: string; readonly token: string };

export type PlaceState = { readonly status: 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled'; readonly step: number; readonly counts: StepCounts; readonly retries: number; readonly fromMs: number; readonly toMs?: number; readonly longestMs?: number; readonly dueMs?: number; readonly error?: StepError; readonly items?: { readonly map: number; readonly total: number; readonly counts: StepCounts; readonly named: readonly { readonly item: number; readonly status: 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled' }[] } };

export type RequestAnswer = { readonly id?: string; readonly status: number; readonly headers: readonly (readonly [string, string])[]; readonly body: string; readonly encoding: 'utf8' | 'base64'; readonly cut: boolean };

export type SavedEvent = { readonly name: string; readonly event: string; readonly savedMs: number };

export type Secret = { readonly app: string; readonly name: string; readonly updatedMs: number };

export type SourceChange = { readonly trigger: string; readonly kind: 'make' | 'drop'; readonly place: string; readonly statements: readonly string[] };

export type StateMachineDefinition = { readonly [name: string]: unknown };

export type StepCounts = { readonly running?: number; readonly waiting?: number; readonly succeeded?: number; readonly failed?: number; readonly cancelled?: number };

export type StepError = { readonly code: string; readonly errorType: string; readonly errorMessage: string };

export type Token = { readonly name: string; readonly createdMs: number };

export type TraceCall = { readonly call: InvocationRecord; readonly parent?: string };

export type TraceCalls = { readonly trace: string; readonly items: readonly TraceCall[]; readonly more: boolean };

export type Traffic = { readonly windowMs: number; readonly items: readonly TrafficFlow[]; readonly executions: readonly ExecutionFlow[] };

export type TrafficFlow = { readonly app: string; readonly function: string; readonly via: { readonly kind: 'route' | 'function' | 'trigger' | 'api'; readonly name: string }; readonly calls: number; readonly errors: number };

export type TrafficShare = { readonly number: number; readonly weight: number };

export type Trigger = { readonly id: string; readonly function?: string; readonly source: TriggerSource | null; readonly starts?: TriggerTarget; readonly onSuccess?: Destination; readonly onFailure?: Destination; readonly paused: boolean; readonly owed: number; readonly running: number; readonly delivered: number; readonly failed: number; readonly dead: number; readonly oldestMs?: number; readonly position?: string; readonly nextMs?: number; readonly trouble?: string; readonly lagBytes?: number; readonly lagMessages?: number; readonly plan?: { readonly place: string; readonly make: readonly string[]; readonly drop: readonly string[]; readonly isMade: boolean; readonly left: readonly { readonly place: string; readonly drop: readonly string[] }[] }; readonly left: readonly { readonly place: string; readonly drop: readonly string[] }[] };

export type TriggerAttempt = DeliveryAttempt & { readonly seq: number; readonly id: string; readonly type: string };

export type TriggerDetail = Trigger & ({ readonly delivery?: DeliveryPolicy; readonly rule?: { readonly name: string; readonly arn: string; readonly [name: string]: unknown } });

export type TriggerSource = { readonly kind: string; readonly [name: string]: unknown };

export type TriggerTarget = { readonly kind: 'workflow'; readonly workflow: string } | { readonly kind: 'stateMachine'; readonly arn: string } | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly string[] };

export type Usage = { readonly from: number; readonly to: number; readonly items: readonly UsageRow[]; readonly totals: UsageTotals; readonly priceTable: { readonly source: string; readonly date: string; readonly region: string; readonly cpu: 'x86_64' | 'arm64' } };

export type UsageRow = { readonly invocations: number; readonly errors: number; readonly coldStarts: number; readonly billedMs: number; readonly billedMbMs: number; readonly awsCostUsd: number; readonly awsRequestsUsd: number; readonly awsComputeUsd: number; readonly app: string; readonly function: string; readonly memoryMb: number };

export type UsageTotals = { readonly invocations: number; readonly errors: number; readonly coldStarts: number; readonly billedMs: number; readonly billedMbMs: number; readonly awsCostUsd: number; readonly awsRequestsUsd: number; readonly awsComputeUsd: number };

export type WorkflowGraph = { readonly source: 'definition' | 'executions'; readonly nodes: readonly { readonly id: string; readonly kind: string; readonly label: string; readonly parent?: string; readonly count?: number }[]; readonly edges: readonly { readonly from: string; readonly to: string; readonly label?: string; readonly count?: number }[]; readonly left: number; readonly executions: number };

/** By the operation's id. */
export interface Answers {
  readonly answerCallback: Readonly<Record<string, unknown>>;
  readonly answerOperation: Readonly<Record<string, unknown>>;
  readonly cancelExecution: Readonly<Record<string, unknown>>;
  readonly createAccessKey: NewAccessKey;
  readonly createToken: NewToken;
  readonly deleteAccessKey: { readonly name: string; readonly deleted: true };
  readonly deleteApp: { readonly app: string; readonly deleted: true };
  readonly deleteSecret: { readonly app: string; readonly name: string; readonly deleted: true };
  readonly deleteToken: { readonly name: string; readonly deleted: true };
  readonly editDeadLetter: { readonly key: number };
  readonly getActivity: Activity;
  readonly getApp: App;
  readonly getDeadLetter: DeadLetterDetail;
  readonly getDeployment: Deployment;
  readonly getDoctor: { readonly checks: readonly DoctorFinding[]; readonly isolation: Isolation };
  readonly getEvent: EventDetail;
  readonly getExecution: Execution;
  readonly getExecutionDefinition: StateMachineDefinition;
  readonly getExecutionGraph: ExecutionGraph;
  readonly getExecutionHistory: { readonly items: readonly HistoryEntry[]; readonly next?: number };
  readonly getExecutionPayload: unknown;
  readonly getExecutionResult: ExecutionOutcome;
  readonly getExecutionStep: ExecutionStepDetail;
  readonly getFunction: LiveFunction;
  readonly getHealth: Health;
  readonly getInvocation: InvocationRecord;
  readonly getLatency: LatencyHour;
  readonly getPayloads: CallPayloads;
  readonly getSession: { readonly name: string; readonly cookie: boolean };
  readonly getTraffic: Traffic;
  readonly getTrigger: TriggerDetail;
  readonly getUsage: Usage;
  readonly getWorkflowGraph: WorkflowGraph & { readonly mermaid?: string };
  readonly invokeFunction: InvokeAnswer | { readonly id: string };
  readonly listAccessKeys: { readonly items: readonly AccessKey[]; readonly next?: string };
  readonly listApps: { readonly items: readonly App[]; readonly next?: string };
  readonly listConnections: { readonly items: readonly Connection[]; readonly next?: string };
  readonly listDeadLetters: { readonly items: readonly DeadLetter[] };
  readonly listDeployments: { readonly items: readonly DeploymentSummary[]; readonly next?: number };
  readonly listEvents: { readonly items: readonly EventSummary[]; readonly next?: number };
  readonly listExecutionSteps: { readonly items: readonly ExecutionStep[]; readonly total: number; readonly entries: number; readonly next?: number };
  readonly listExecutions: { readonly items: readonly Execution[]; readonly next?: string };
  readonly listFunctions: { readonly items: readonly LiveFunction[]; readonly next?: string };
  readonly listInstances: { readonly items: readonly Instance[]; readonly next?: string; readonly waiting: number };
  readonly listInvocations: { readonly items: readonly InvocationRecord[]; readonly next?: string };
  readonly listLogs: { readonly items: readonly LogLine[]; readonly last: number };
  readonly listRuns: { readonly items: readonly { readonly dueMs: number }[]; readonly timeZone?: string };
  readonly listSavedEvents: { readonly items: readonly SavedEvent[] };
  readonly listSecrets: { readonly items: readonly Secret[]; readonly next?: string };
  readonly listTokens: { readonly items: readonly Token[]; readonly next?: string };
  readonly listTraceCalls: TraceCalls;
  readonly listTriggerAttempts: { readonly items: readonly TriggerAttempt[]; readonly next?: string };
  readonly listTriggers: { readonly items: readonly Trigger[]; readonly next?: string };
  readonly pauseTrigger: { readonly id: string };
  readonly planDeployment: { readonly app: string; readonly functions: number; readonly changes: readonly SourceChange[] };
  readonly publishEvents: { readonly events: readonly { readonly id: string; readonly seq: number; readonly stored: boolean; readonly owed: number }[] };
  readonly queryExecution: { readonly answer?: unknown };
  readonly redriveDeadLetters: { readonly count: number };
  readonly removeDeadLetters: { readonly count: number };
  readonly removeSavedEvent: { readonly name: string };
  readonly replayEvents: { readonly events: number; readonly deliveries: number; readonly next?: number };
  readonly replayExecution: { readonly id: string; readonly version: string; readonly deployment: number; readonly status: 'same' | 'differs'; readonly error?: { readonly code: string; readonly errorType: string; readonly errorMessage: string } };
  readonly resumeTrigger: { readonly id: string };
  readonly retryExecution: ExecutionOutcome;
  readonly rollbackApp: LiveApp;
  readonly runTrigger: { readonly id: string };
  readonly saveEvent: { readonly name: string };
  readonly sendRequest: RequestAnswer;
  readonly setSecret: { readonly app: string; readonly name: string };
  readonly setTraffic: LiveApp;
  readonly signIn: { readonly name: string };
  readonly signOut: { readonly signedOut: true };
  readonly signalExecution: { readonly answer?: unknown };
  readonly startExecution: ExecutionOutcome;
  readonly testConnection: ConnectionReport;
  readonly updateExecution: { readonly answer?: unknown };
}
