import type { InstanceId } from '../base/ids.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { BuildSandbox } from './build-sandbox.ts';

/**
 * A sandbox starts processes for functions and keeps them apart. Drivers differ in how well; each says so
 * honestly through `describe()`.
 */

/** What a driver needs to start one process. The code and its settings follow over the channel. */
export interface SandboxSpec {
  /** The program and its arguments, as seen inside. */
  readonly command: readonly string[];
  /** The whole environment: nothing is inherited. Holds no secret (those go over the channel). */
  readonly env: Readonly<Record<string, string>>;
  /**
   * The folder with the version's code; readable and not writable inside, where it has the same path. `undefined`: the
   * process waits for its code, which comes by `placeCode`.
   */
  readonly codeDir: string | undefined;
  /**
   * Further folders on the host that the program reads, at the same paths: its runtime, installed packages. The
   * program itself and the shared libraries of binaries among them are found by the driver.
   */
  readonly readDirs: readonly string[];
  /** The program may be of any language: it sees what the machine has installed (`/usr`), read-only. */
  readonly seesSystem?: boolean;
  /** Memory of the process and its children together, in megabytes. */
  readonly memoryMb: number;
  /** Open files. */
  readonly filesMax: number;
  /** What it may connect to; programs find the way out in `LAMBENT_EGRESS` (see docs/isolation.md). */
  readonly network: NetworkPolicy;
}

/**
 * What a process gets of a busy machine. `serving`: the share that all serving ones have. `background`: what nobody else
 * wants, as while it waits without code or loads it. `starting`: a small share, for one that gets nowhere with that.
 * `frozen`: nothing at all; it must have said before that it has nothing to do.
 */
export type Pace = 'background' | 'starting' | 'serving' | 'frozen';

/** How a process ended, if it did so by itself or was stopped for exceeding a limit. */
export interface SandboxExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The limit for which the driver or the kernel stopped it. */
  readonly exceeded: 'memory' | 'processes' | undefined;
  /** What started it is gone, and it was ended with that: this says nothing about its code. */
  readonly orphaned?: boolean;
}

export interface SandboxListener {
  /** Bytes from the instance's channel, in order. The buffer is the listener's to keep. */
  onData(chunk: Buffer): void;
  /** Raw output of the process (what did not come as LOG frames). */
  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): void;
  /** Once, after the process and all it started are gone and the channel is closed. */
  onExit(exit: SandboxExit): void;
}

/** A running process. Its channel is a byte stream that carries frames. */
export interface SandboxProcess {
  readonly pid: number;
  /**
   * Sends bytes over the channel. True when the process's end took them all at once, so that the caller may reuse
   * the buffer; false when they wait in memory, and the buffer belongs to the driver from then on.
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Gives a process that was started without code the folder with a version's code, once. Resolves with its path as
   * seen inside, or with `undefined` where this driver cannot do so for this folder: start another process then.
   */
  placeCode(codeDir: string): Promise<string | undefined>;
  /** Bytes queued and not yet taken by the process. */
  readonly bufferedBytes: number;
  /**
   * Changes its pace, at once; the first is `background`. Where a driver cannot, every process has the same share all the
   * time.
   */
  setPace(pace: Pace): void;
  /** Stops reading from the channel (back-pressure on everything of this instance). */
  pause(): void;
  resume(): void;
  /** Ends the process and everything it started, at once. `onExit` follows. */
  kill(): void;
}

/** Letters as in docs/isolation.md: A is everything, E nothing. Lower in the alphabet is better. */
export const ISOLATION_LEVELS = ['A', 'B', 'C', 'D', 'E'] as const;
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number];

/** What `start` insists on unless it is told to accept less. */
export const ISOLATION_REQUIRED: IsolationLevel = 'B';

/** What a driver promises. */
export interface SandboxDescription {
  readonly driver: string;
  readonly level: IsolationLevel;
  /** One sentence for people. */
  readonly summary: string;
  /** What would make it better, in a sentence; `undefined`: nothing that is known. */
  readonly advice: string | undefined;
  /** Each protection with whether it is in force here. */
  readonly protections: readonly {
    readonly name: string;
    readonly enforced: boolean;
    readonly note: string;
  }[];
}

export interface Sandbox {
  /** Starts a process. `id` names its scratch folder and is unique. Rejects with `E_START_FAILED`. */
  start(id: InstanceId, spec: SandboxSpec, listener: SandboxListener): Promise<SandboxProcess>;
  describe(): Promise<SandboxDescription>;
  /** Where builds of uploaded apps run; `undefined`: this driver cannot contain them, and they run as the platform's user. */
  readonly builds: BuildSandbox | undefined;
  /** Ends every process it started, then itself. */
  close(): Promise<void>;
}
