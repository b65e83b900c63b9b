import type { BootMessage } from '../model/frames.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { SandboxSpec } from '../ports/sandbox.ts';

/** A version whose code is there, about to get an instance. */
export interface StartRequest {
  readonly version: FunctionVersion;
  readonly deployment: number;
  /** Absolute path of its code. */
  readonly codeDir: string;
  /** Absolute path of its packages, where they are kept apart. */
  readonly packagesDir: string | undefined;
}

/** How an instance is started, and what it is told to load. */
export interface PreparedStart {
  readonly spec: Omit<SandboxSpec, 'filesMax' | 'network'>;
  readonly boot: BootMessage;
  /** What the process reads before the message. */
  readonly preamble?: string;
  /** A process of this spec may be started before it is known for which version: only `codeDir` is the version's own. */
  readonly generic?: boolean;
}

/**
 * How instances of one language are started. Rejects with `E_TOOLCHAIN_MISSING` where the machine has lost what the
 * version was built for.
 */
export type RuntimeStart = (request: StartRequest) => Promise<PreparedStart>;
