/** What the platform and its spawner process say to each other over Node's IPC channel. */

export type SpawnerRequest =
  | {
      readonly kind: 'start';
      readonly id: string;
      readonly command: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
      readonly memoryMb: number;
      readonly filesMax: number;
    }
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
      readonly outOfMemory: boolean;
    };
