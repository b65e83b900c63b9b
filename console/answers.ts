/** Answers of the control API, as far as the console reads them. The API's OpenAPI document has all of them. */
import type { InvocationError, InvocationStatus, LogLine as StoredLine } from '../src/model/invocation.ts';
import type { ExecutionStep, StepData, StepError, StepPage as Steps } from '../src/ports/execution-steps.ts';

export type { InvocationError, InvocationStatus };
export type LogLine = Omit<StoredLine, 'app' | 'function'> & { app: string; function: string };

export interface List<Item> {
  readonly items: readonly Item[];
}

export interface Paged<Item, Next = string> extends List<Item> {
  readonly next?: Next;
}

export interface Health {
  readonly version: string;
  readonly mode: 'dev' | 'start';
  readonly nodeId: string;
  readonly startedMs: number;
  readonly uptimeMs: number;
}

export interface TrafficShare {
  readonly number: number;
  readonly weight: number;
}

export interface AppView {
  readonly app: string;
  readonly generation: number;
  readonly functions: number;
  readonly traffic: readonly TrafficShare[];
}

export interface RouteView {
  readonly method: string;
  readonly host?: string;
  readonly path: string;
}

export type Config = Readonly<Record<string, unknown>> & {
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly env: Readonly<Record<string, string>>;
  readonly workflow?: true;
};

export interface FunctionView {
  readonly app: string;
  readonly name: string;
  readonly version: string;
  readonly deployment: number;
  readonly weight: number;
  readonly runtime: string;
  readonly config: Config;
  readonly routes: readonly RouteView[];
  readonly instances: number;
  readonly kept: { readonly instances: number; readonly untilMs?: number };
  readonly concurrency?: { readonly calls: number; readonly reason: string };
}

export interface Invocation {
  readonly id: string;
  readonly app: string;
  readonly function: string;
  readonly version: string;
  readonly deployment: number;
  readonly trigger: 'http' | 'invoke' | 'async' | 'websocket' | 'event';
  readonly status: InvocationStatus;
  readonly cold: boolean;
  readonly instance?: string;
  readonly arrivedMs: number;
  readonly queueUs: number;
  readonly startUs: number;
  readonly runUs: number;
  readonly billedMs: number;
  readonly memoryMb: number;
  readonly memoryPeakMb: number;
  readonly httpStatus: number;
  readonly summary: string;
  readonly callerRequestId?: string;
  readonly attempt: number;
  readonly error?: InvocationError;
}

export interface Instance {
  readonly id: string;
  readonly app: string;
  readonly function: string;
  readonly version: string;
  readonly state: 'starting' | 'ready' | 'frozen' | 'retiring';
  readonly pid: number;
  readonly startedMs: number;
  readonly activeInvocations: number;
  readonly servedInvocations: number;
  readonly memoryPeakMb: number;
  readonly kept: boolean;
  readonly concurrency: number;
  readonly concurrencyReason: string;
}

export interface FunctionSums {
  readonly app: string;
  readonly function: string;
  readonly invocations: number;
  readonly errors: number;
  readonly coldStarts: number;
  readonly billedMs: number;
  readonly billedMbMs: number;
  readonly awsCostUsd: number;
}

export interface Activity {
  readonly stepMs: number;
  readonly items: readonly { readonly fromMs: number; readonly functions: readonly FunctionSums[] }[];
  readonly priceTable: { readonly date: string; readonly region: string };
}

export interface TriggerView {
  readonly id: string;
  readonly function?: string;
  readonly source: { readonly kind: string; readonly [field: string]: unknown } | null;
  readonly paused: boolean;
  readonly owed: number;
  readonly running: number;
  readonly delivered: number;
  readonly dead: number;
  readonly position?: string;
  readonly nextMs?: number;
  readonly trouble?: string;
  readonly plan?: {
    readonly place: string;
    readonly make: readonly string[];
    readonly drop: readonly string[];
    readonly isMade: boolean;
    readonly left: readonly { readonly place: string; readonly drop: readonly string[] }[];
  };
}

export interface EventSummary {
  readonly seq: number;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  readonly receivedMs: number;
  readonly depth: number;
  readonly bytes: number;
}

export interface EventDetail extends EventSummary {
  readonly event: unknown;
  readonly owedTo: readonly string[];
  readonly deadAt: readonly string[];
  readonly attempts: readonly DeliveryAttempt[];
}

export interface DeadLetter {
  readonly key: number;
  readonly trigger: string;
  readonly seq: number;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly attempts: number;
  readonly diedMs: number;
  readonly error: InvocationError;
  readonly event?: unknown;
}

export interface DeploymentSummary {
  readonly app: string;
  readonly number: number;
  readonly createdMs: number;
  readonly createdBy: string;
  readonly note: string;
  readonly functionCount: number;
  readonly weight: number;
}

export interface DeploymentDetail extends Omit<DeploymentSummary, 'functionCount' | 'weight'> {
  readonly functions: readonly {
    readonly name: string;
    readonly runtime: string;
    readonly code: string;
    readonly entry: string;
    readonly handler?: string;
    readonly config: Config;
  }[];
  readonly routes: readonly (RouteView & { readonly function: string })[];
  readonly triggers?: readonly { readonly name: string; readonly [field: string]: unknown }[];
}

/** What may be shown of a secret: never its value. */
export interface SecretView {
  readonly app: string;
  readonly name: string;
  readonly updatedMs: number;
}

export interface Doctor {
  readonly status: string;
  readonly checks: readonly {
    readonly name: string;
    readonly status: 'ok' | 'warn' | 'fail';
    readonly text: string;
    readonly fix?: string;
  }[];
  readonly isolation: {
    readonly driver: string;
    readonly level: string;
    readonly summary: string;
    readonly advice?: string;
    readonly protections: readonly {
      readonly name: string;
      readonly enforced: boolean;
      readonly note: string;
    }[];
  };
}

export interface Execution {
  readonly id: string;
  readonly app: string;
  readonly workflow: string;
  readonly kind: 'code' | 'asl';
  readonly deployment: number;
  readonly status: string;
  readonly parent?: { readonly execution: string; readonly op: number };
  readonly createdMs: number;
  readonly endedMs?: number;
  readonly dueMs?: number;
  readonly entries: number;
  readonly bytes: number;
}

export type { ExecutionStep, StepError };
export type StepDetail = ExecutionStep & StepData;
export type StepPage = Steps & { readonly next?: number };

/** One entry of an execution's history; what else it has depends on its kind. */
export interface HistoryEntry {
  readonly kind: string;
  readonly atMs?: number;
  readonly op?: number;
  readonly task?: { readonly kind: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** What a workflow does, learnt from its latest executions. */
export interface WorkflowGraph {
  readonly nodes: readonly { readonly id: string; readonly kind: string; readonly label: string }[];
}

export interface CallPayload {
  /** The first line over HTTP: `POST /orders`, or the status. */
  readonly head?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  readonly bytes: number;
  readonly cut: boolean;
  readonly redacted: boolean;
}

export interface CallPayloads {
  readonly kept: 'yes' | 'off' | 'no';
  readonly input?: CallPayload;
  readonly output?: CallPayload;
}

export interface TraceCall {
  readonly call: Invocation;
  readonly parent?: string;
}

export interface TraceCalls extends List<TraceCall> {
  readonly trace: string;
  readonly more: boolean;
}

export interface RequestAnswer {
  readonly id?: string;
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  readonly cut: boolean;
}

export interface TrafficFlow {
  readonly app: string;
  readonly function: string;
  readonly via: { readonly kind: 'route' | 'function' | 'trigger' | 'api'; readonly name: string };
  readonly calls: number;
  readonly errors: number;
}

export interface Traffic extends List<TrafficFlow> {
  readonly windowMs: number;
}

export interface SavedEvent {
  readonly name: string;
  readonly event: string;
  readonly savedMs: number;
}

export interface DeliveryAttempt {
  readonly trigger: string;
  readonly delivery: number;
  readonly attempt: number;
  readonly startedMs: number;
  readonly tookMs: number;
  readonly invocation?: string;
  readonly error?: InvocationError;
  readonly nextMs?: number;
}
