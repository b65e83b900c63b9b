import type { NetworkPolicy } from '../model/network-policy.ts';
import type { BuildNetwork } from '../ports/build-sandbox.ts';
import type { Pace } from '../ports/sandbox.ts';

/** What the platform and its spawner process say to each other over Node's IPC channel. */

/** A control group that an instance is put into before its program starts. */
export interface ControlGroup {
  /** Absolute path of the group's folder; made at the start, removed after the end. */
  readonly folder: string;
  /** What is written, in order, when it is made. A setting that fails fails the start. */
  readonly settings: readonly GroupSetting[];
  /** What is written when the pace changes; none: the group has no say in it. */
  readonly paces?: Readonly<Record<Pace, readonly GroupSetting[]>> | undefined;
}

export type GroupSetting = readonly [file: string, value: string];

/** How one instance is started. */
export interface Launch {
  readonly id: string;
  readonly command: readonly string[];
  /**
   * Whether the command puts the program into a process namespace of its own, so that it ends once that is empty and
   * says with an exit code how the program ended.
   */
  readonly contained: boolean;
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  /** Scratch folder and working directory; made at the start, removed after the end. */
  readonly folder: string;
  readonly memoryMb: number;
  /** Processes and threads; watched, as memory is, where no control group counts them. */
  readonly tasksMax: number;
  readonly filesMax: number;
  /** The largest file that it may write, in megabytes; `undefined`: as large as there is room. */
  readonly fileMb?: number;
  /** None: memory and processes are looked at from time to time. */
  readonly controlGroups: readonly ControlGroup[];
  /** Where the program may connect to, through a socket in its folder; `undefined`: there is none. */
  readonly egress: Egress | undefined;
  /** The user and group that the program runs as, without any further group; `undefined`: those of the platform. */
  readonly uid: number | undefined;
  /** What the program can read from descriptor 4 on: bytes, or a file of the host. */
  readonly inputs: readonly (Uint8Array | string)[];
  /** Folders and files of the host that have to be mounted at another place first (once), to be reached by `uid`. */
  readonly stages: readonly Stage[];
}

export interface Egress {
  readonly policy: NetworkPolicy;
  readonly socket: string;
  /** Of a tool of a build: what it may reach beside that. */
  readonly build?: BuildNetwork;
}

export interface Stage {
  readonly from: string;
  readonly to: string;
  /** Whether what is mounted there can be written to. */
  readonly writable?: boolean;
}

/** The limit for which an instance was ended. */
export type Exceeded = 'memory' | 'processes';

export type SpawnerRequest =
  | { readonly kind: 'start'; readonly launch: Launch }
  | { readonly kind: 'kill'; readonly id: string };

export type SpawnerReport =
  /** Comes with the channel's socket. */
  | { readonly kind: 'started'; readonly id: string; readonly pid: number }
  | { readonly kind: 'failed'; readonly id: string; readonly message: string }
  | {
      readonly kind: 'output';
      readonly id: string;
      readonly stream: 'stdout' | 'stderr';
      readonly chunk: Uint8Array;
    }
  | {
      readonly kind: 'exited';
      readonly id: string;
      readonly code: number | null;
      readonly signal: string | null;
      readonly exceeded: Exceeded | undefined;
    };
