import type { Branded } from '../base/ids.ts';
import type { KeepWarmWindow } from './keep-warm.ts';
import type { NetworkPolicy } from './network-policy.ts';

/** Name of an app: lower-case letters, digits and hyphens, at most 63 (it becomes a DNS label of preview hosts). */
export type AppName = Branded<'AppName'>;
/** Name of a function within its app: letters, digits, `_` and `-`, at most 64 (AWS Lambda's own limit). */
export type FunctionName = Branded<'FunctionName'>;
/** SHA-256 of a stored blob, 64 hex digits. */
export type BlobDigest = Branded<'BlobDigest'>;
/** Identity of a version: `fv_` and 32 hex digits of a SHA-256 over code digest, configuration and runtime pin. */
export type VersionId = Branded<'VersionId'>;

export const APP_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const FUNCTION_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;

/** What a person may set for a function; each has a default in `FUNCTION_DEFAULTS`. */
export interface FunctionConfig {
  /** The wall time of one invocation, in milliseconds. 1 to 86,400,000. */
  timeoutMs: number;
  /** The memory of one instance, in megabytes (2^20 bytes). 32 to 32,768. */
  memoryMb: number;
  /** How many invocations one instance runs at the same time. 1 to 1,000. `undefined`: 1 for Lambda handlers, 100 for web apps. */
  concurrency: number | undefined;
  /** How many invocations run at the same time over all instances; more get 429 when the queue is full too. */
  maxConcurrency: number;
  /** How many instances may exist. */
  maxInstances: number;
  /** How many instances stay up without work. */
  minInstances: number;
  /** When more of them do, by the clock; `undefined`: never. */
  keepWarm?: readonly KeepWarmWindow[] | undefined;
  /** Concurrency kept free for this function alone, out of the node's total. 0: none. */
  reservedConcurrency: number;
  /** How long an instance without work lives on, in milliseconds. */
  idleMs: number;
  /** How long an instance may take to load its code, in milliseconds; `undefined`: `START_MS`. */
  startMs?: number | undefined;
  /** How many invocations may wait for an instance. */
  queueMax: number;
  /** The largest response, in megabytes. */
  maxResponseMb: number;
  /** The largest request body, in megabytes; 0: no limit (it streams). */
  maxRequestMb: number;
  /** Attempts of an asynchronous invocation, the first included. 1 to 100. */
  attemptsMax: number;
  /** What it may connect to. */
  network: NetworkPolicy;
  /** Plain environment variables. */
  env: Readonly<Record<string, string>>;
  /** Names of secrets of its app that it gets as environment variables; `undefined`: none. */
  secrets?: readonly string[] | undefined;
  /** Names of connections of its app that it may send through; `undefined`: none. */
  connections?: readonly string[] | undefined;
  /** Other apps whose functions may call this one; `undefined`: none. */
  callers?: readonly AppName[] | undefined;
  /** `false`: an instance keeps its processor time between calls, because it has work of its own then. */
  freeze?: false | undefined;
  /** `false`: what goes into its calls and comes out of them is not kept with the history. */
  keepPayloads?: false | undefined;
  /** It is a durable workflow: what runs in its instances are executions. */
  workflow?: true | undefined;
  /** How a web server is started; `undefined` for all other functions. */
  command?: ServerCommand | undefined;
}

/** How long an instance may take to load its code where the manifest does not say. */
export const START_MS = 20_000;

/** A program that listens for HTTP. */
export interface ServerCommand {
  /** The program and its arguments; it runs in the function's folder, with PORT in its environment. */
  readonly argv: readonly string[];
  /** The port that it listens on if it does not look at PORT; `undefined`: one that is free. */
  readonly port?: number | undefined;
  /** A path that it answers with a status below 400 once it is ready; `undefined`: it is when it listens. */
  readonly readyPath?: string | undefined;
}

export const FUNCTION_DEFAULTS: FunctionConfig = {
  timeoutMs: 30_000,
  memoryMb: 256,
  concurrency: undefined,
  maxConcurrency: 1_000,
  maxInstances: 20,
  minInstances: 0,
  reservedConcurrency: 0,
  idleMs: 300_000,
  queueMax: 1_000,
  maxResponseMb: 64,
  maxRequestMb: 0,
  attemptsMax: 3,
  network: 'internet',
  env: {},
};

/** The languages whose code the platform knows how to run. `asl`: a workflow in Amazon States Language. */
export type RuntimeName = 'node' | 'python' | 'go' | 'bootstrap' | 'command' | 'asl';

/** An immutable build of a function. Two equal builds with equal configuration are the same version. */
export interface FunctionVersion {
  readonly id: VersionId;
  readonly app: AppName;
  readonly name: FunctionName;
  readonly runtime: RuntimeName;
  /** The exact toolchain that it was built for, as `python 3.11.7`; empty in deployments of older platforms. */
  readonly runtimePin: string;
  /** The blob (a tar archive) that holds the built code. */
  readonly code: BlobDigest;
  /** The blob with its installed packages, where they are kept apart because several versions share them. */
  readonly packages: BlobDigest | undefined;
  /** The module to load, relative to the code's root, with forward slashes. */
  readonly entry: string;
  /** The export to call; `undefined`: recognise what the module offers. */
  readonly handler: string | undefined;
  readonly config: FunctionConfig;
}
