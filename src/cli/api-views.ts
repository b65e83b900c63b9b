import type { ErrorRecord } from '../base/errors.ts';
import type { PreviewAddress } from '../model/app-hosts.ts';
import type { Deployment, LiveApp, RouteMethod, TrafficShare } from '../model/deployment.ts';
import type { FunctionConfig } from '../model/function.ts';
import type { Kept } from '../model/keep-warm.ts';
import type { InvocationError, LogLine } from '../model/invocation.ts';
import type { TriggerSource } from '../model/trigger.ts';
import type { DeploymentSummary } from '../ports/app-store.ts';
import type { BuildLine } from '../ports/deployer.ts';
import type { SandboxDescription } from '../ports/sandbox.ts';
import type { SourcePlan } from '../ports/source.ts';
import type { SourceChange } from '../ports/source-plans.ts';
import type { UsageRow } from '../ports/telemetry-store.ts';

/** What the control API answers, as the commands read it. Served by src/admin; described in its openapi.json. */

export interface AppView {
  readonly app: string;
  readonly generation: number;
  readonly traffic: readonly TrafficShare[];
  readonly functions: number;
}

export interface FunctionView {
  readonly app: string;
  readonly name: string;
  readonly version: string;
  readonly deployment: number;
  readonly runtime: string;
  readonly config: FunctionConfig;
  readonly routes: readonly {
    readonly method: RouteMethod;
    readonly host?: string | null;
    readonly path: string;
  }[];
  readonly instances: number;
  readonly kept: Kept;
  /** Calls that each instance takes at once; not there while none is ready. */
  readonly concurrency?: { readonly calls: number; readonly reason: string };
}

export type DeploymentView = DeploymentSummary & { readonly weight: number };

export interface Items<Item> {
  readonly items: readonly Item[];
}

/** A line of the answer to a deployment. The last one is a result or an error. */
export type DeployEvent =
  | { readonly line: BuildLine }
  | { readonly result: DeployedView }
  | { readonly error: ErrorRecord; readonly requestId?: string };

export interface DeployedView {
  readonly deployment: Deployment;
  readonly live: LiveApp;
  readonly tookMs: number;
  readonly url?: string;
  readonly preview: PreviewAddress;
  readonly changes: readonly SourceChange[];
}

export type InvokeView =
  | { readonly id: string; readonly status: 'ok'; readonly result: unknown; readonly billedMs: number }
  | {
      readonly id: string;
      readonly status: 'failed';
      readonly error: InvocationError;
      readonly billedMs: number;
    };

export interface LogsView extends Items<LogLine> {
  /** Sequence of the last line; the stream goes on from there. */
  readonly last: number;
}

export type UsageItem = UsageRow & {
  readonly awsCostUsd: number;
  readonly awsRequestsUsd: number;
  readonly awsComputeUsd: number;
};

export interface UsageView extends Items<UsageItem> {
  readonly from: number;
  readonly to: number;
  readonly totals: Readonly<Record<string, number>>;
  readonly priceTable: { readonly source: string; readonly date: string; readonly region: string };
}

export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly fix?: string | undefined;
}

export interface DoctorView {
  readonly checks: readonly Check[];
  readonly isolation: SandboxDescription;
}

export interface EventView {
  readonly seq: number;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string | null;
  readonly receivedMs: number;
  readonly depth: number;
  readonly bytes: number;
}

export type FoundEventView = EventView & {
  readonly event: unknown;
  readonly owedTo: readonly string[];
  readonly deadAt: readonly string[];
};

export interface PublishedView {
  readonly events: readonly {
    readonly id: string;
    readonly seq: number;
    readonly stored: boolean;
    readonly owed: number;
  }[];
}

export interface TriggerItem {
  readonly id: string;
  readonly function?: string | null;
  readonly source: TriggerSource | null;
  readonly paused: boolean;
  readonly owed: number;
  readonly running: number;
  readonly delivered: number;
  readonly dead: number;
  readonly position?: string | null;
  readonly nextMs?: number | null;
  readonly trouble?: string | null;
  readonly lagBytes?: number | null;
  readonly lagMessages?: number | null;
  readonly plan?: SourcePlan;
  readonly left?: SourcePlan['left'];
}

export interface DeadLetterView {
  readonly key: number;
  readonly trigger: string;
  readonly seq: number;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly attempts: number;
  readonly diedMs: number;
  readonly error: InvocationError;
}

export interface AccessKeyView {
  readonly name: string;
  readonly accessKeyId: string;
  readonly createdMs: number;
}

export interface SecretView {
  readonly app: string;
  readonly name: string;
  readonly updatedMs: number;
}

export interface TokenView {
  readonly name: string;
  readonly createdMs: number;
}

export interface HealthView {
  readonly status: string;
  readonly version: string;
  readonly mode: 'dev' | 'start';
  readonly startedMs: number;
  readonly uptimeMs: number;
}
