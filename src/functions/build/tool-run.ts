import type { Clock } from '../../base/clock.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { BuildLimits, BuildNetwork, BuildSandbox } from '../../ports/build-sandbox.ts';

/** A program that a build needs, with all that starting it takes. */
export interface ToolRun {
  /** Absolute path of the program, and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** Names of further variables that this tool gets from the platform's environment: its own settings. */
  readonly envPassed?: RegExp;
  /** Variables beside those. */
  readonly env?: Readonly<Record<string, string>>;
  /** In which sandbox it runs, and what it sees there; `undefined`: as a process of the platform's user. */
  readonly containing?: Containing | undefined;
  /** Given to the tool on its standard input. */
  readonly input?: string;
  readonly clock: Clock;
  readonly msMax: number;
  /** Each line of its output, while it runs; standard output too unless `collect` is set. */
  readonly onLine: (text: string) => void;
  /** Keeps standard output, at most this many characters, as the result. */
  readonly collectChars?: number;
  /** Gives it up, with `E_SHUTTING_DOWN`. */
  readonly signal: AbortSignal | undefined;
  /** What a failure is: its code, how the tool is called in the message, and what to do. */
  readonly failure: { readonly code: ErrorCode; readonly title: string; readonly hint: string };
}

/** What a tool's start and end are told to. One of the last two is called, once. */
export interface ToolListener {
  onStdout(text: string): void;
  onStderr(text: string): void;
  /** It did not run to its end by itself; what of its failure is another one then. */
  onFailed(how: string, failure?: { readonly code?: ErrorCode; readonly hint?: string }): void;
  onEnd(code: number | null, endedBy: string | null): void;
}

/** The sandbox of some of an app's tools. */
export interface ToolPlace {
  readonly sandbox: BuildSandbox;
  /** The tools' home: what they keep for the next build. */
  readonly home: string;
  /** The folder in which temporary ones are made. */
  readonly buildsDir: string;
  /** Of the host's settings, those that these tools get. */
  readonly env: Readonly<Record<string, string>>;
  readonly readPaths: readonly string[];
  readonly network: BuildNetwork;
  readonly limits: ToolLimits;
}

/** Where one tool is contained, and what it sees beside what all of them see. */
export interface Containing {
  readonly place: ToolPlace;
  readonly readPaths: readonly string[];
  readonly writeDirs: readonly string[];
  /** Whether it may connect to anything. */
  readonly network: boolean;
}

/** Has something done in a sandbox that is made for it. */
export type Contain = <Result>(work: (containing: Containing) => Promise<Result>) => Promise<Result>;

/** What one tool may have: its home and all that it writes to, together, for the disk. */
export type ToolLimits = Omit<BuildLimits, 'fileMb'> & { readonly diskMb: number };
