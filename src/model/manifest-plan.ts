import type { FunctionConfig, FunctionName, RuntimeName } from './function.ts';

/** A function as the folder or the manifest names it: what to build, and how to run it. */
export interface FunctionPlan {
  readonly name: FunctionName;
  readonly runtime: RuntimeName;
  /** The version of the language that the manifest asks for, as `3.12`; `undefined`: what the machine has. */
  readonly runtimeVersion: string | undefined;
  /** Relative to the app, with forward slashes. */
  readonly entry: string;
  readonly handler: string | undefined;
  /** Packages that are copied instead of bundled. */
  readonly external: readonly string[];
  /** Paths and globs of further files, relative to the app. */
  readonly include: readonly string[];
  /** Makes the program; `undefined`: it is deployed as it is. */
  readonly build?: BuildStep | undefined;
  readonly config: FunctionConfig;
}

/** The author's own build of a program. */
export interface BuildStep {
  /** The program and its arguments; it runs in a copy of the function's folder. */
  readonly argv: readonly string[];
  /** As the author wrote it, for messages. */
  readonly text: string;
  /** The folder that is deployed, relative to the function's own; `undefined`: all of that. */
  readonly output: string | undefined;
  readonly timeoutMs: number;
}

/** A function found in the folder by its place. */
export interface FoundFunction {
  readonly name: string;
  readonly entry: string;
  /** The path it answers at, with everything below, unless the manifest says otherwise. */
  readonly path: string;
}
