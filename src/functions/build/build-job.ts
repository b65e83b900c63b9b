import type { ErrorCode } from '../../base/errors.ts';

/** What the builder process is asked: one function's code, from sources to a folder that runs. */
export interface BuildJob {
  /** Absolute real path of the app's folder. */
  readonly folder: string;
  /** Relative to the folder, with forward slashes. */
  readonly entry: string;
  /** Packages to copy instead of bundling. */
  readonly external: readonly string[];
  /** Paths and globs of further files to copy. */
  readonly include: readonly string[];
  /** Absolute path of an empty folder that the result is written to. */
  readonly outDir: string;
  /** A `node_modules` that was installed for the app elsewhere. */
  readonly modulesDir: string | undefined;
  /** True for uploads: nothing outside of the folder and `modulesDir` may be read. */
  readonly confined: boolean;
}

/** What came of it. */
export interface BuildOutput {
  /** The module to load, relative to `outDir`. */
  readonly entry: string;
  /** Absolute paths of every file that went in, for noticing changes. */
  readonly inputs: readonly string[];
  /** A folder in `outDir` that the build made from the rest of it (see `BlobStore.adopt`). */
  readonly derived?: string | undefined;
  /** Remarks for the author: warnings, packages copied as they are. */
  readonly remarks: readonly string[];
}

/** A build that failed by the author's doing, as it crosses from the builder process. */
export interface BuildFault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly details?: Record<string, unknown> | undefined;
}

export interface BuilderRequest {
  readonly id: number;
  readonly job: BuildJob;
}

export type BuilderReply =
  | { readonly id: number; readonly output: BuildOutput }
  | { readonly id: number; readonly fault: BuildFault };
