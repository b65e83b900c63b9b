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
  readonly config: FunctionConfig;
}

/** A function found in the folder by its place. */
export interface FoundFunction {
  readonly name: string;
  readonly entry: string;
  /** The path it answers at, with everything below, unless the manifest says otherwise. */
  readonly path: string;
}
