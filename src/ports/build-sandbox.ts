/**
 * Where tools of builds run that somebody else's code may steer: package managers, compilers, commands of authors. As an
 * instance of a function they see nothing of the machine but what they are shown; unlike one they may write to some
 * folders, see the programs that the machine has, and are gone when they have answered.
 */

/** What a tool may connect to: every public address, and what the operator's own configuration names. */
export interface BuildNetwork {
  /** `host:port`, whatever address that has: registries in private networks. */
  readonly granted: readonly string[];
  /** A proxy that the machine itself needs for its way out. */
  readonly proxy: UpstreamProxy | undefined;
}

/** A proxy for `CONNECT`. */
export interface UpstreamProxy {
  readonly host: string;
  readonly port: number;
  /** `user:password`. Stays outside of the sandbox. */
  readonly credentials: string | undefined;
  /** Hosts, and domains with a dot before them, that are reached without it; `*`: all. */
  readonly except: readonly string[];
}

export interface BuildTool {
  /** The program's absolute path, and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Seen inside: one of the folders below, or in one of them. */
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What it reads on its standard input. */
  readonly input: string;
  /**
   * Folder that outlives the tool and is its home: writable, and owned by the user that it runs as. Whoever gets the
   * same one gets the same user.
   */
  readonly home: string;
  /** Files and folders that it sees, read-only, at their own paths. None lies in another one, or in one of the next. */
  readonly readPaths: readonly string[];
  /** Folders that it may also write to, at their own paths. They are the platform's again when the tool has ended. */
  readonly writeDirs: readonly string[];
  /** `undefined`: nothing at all. */
  readonly network: BuildNetwork | undefined;
  readonly limits: BuildLimits;
}

export interface BuildLimits {
  /** Memory of the tool and all that it starts, with what is in its `/tmp`. */
  readonly memoryMb: number;
  /** Processes and threads. */
  readonly tasksMax: number;
  readonly filesMax: number;
  /** Of one file. All of them together are watched by whoever starts the tool. */
  readonly fileMb: number;
}

/** How a tool ended. */
export interface ToolExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The limit for which it was stopped. */
  readonly exceeded: 'memory' | 'processes' | undefined;
}

export interface BuildListener {
  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): void;
  /** Once, when the tool and all it started are gone. */
  onExit(exit: ToolExit): void;
}

export interface BuildSandbox {
  /** Rejects with `E_START_FAILED`. */
  start(tool: BuildTool, listener: BuildListener): Promise<{ kill(): void }>;
}
