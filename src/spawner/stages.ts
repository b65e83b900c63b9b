import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import type { Stage } from './spawner-protocol.ts';

/** The mounts of staged folders themselves need no space; this is for their names. */
const STAGE_BYTES = '256k';

/**
 * Places where instances with a user of their own reach what lies in folders that only the platform's user may
 * enter (its home, the data folder). They are mounts in the spawner's own mount namespace: nobody else sees them,
 * and they go with the spawner, however it ends.
 */
export class Stages {
  readonly #made = new Set<string>();

  /** `place`: an existing folder that nothing here needs. It is covered by an empty one. */
  constructor(place: string) {
    execFileSync('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=${STAGE_BYTES},mode=0711,nosuid,nodev`,
      'lambent',
      place,
    ]);
  }

  /** Throws what `mount` says. */
  ensure(stages: readonly Stage[]): void {
    for (const { from, to, writable } of stages) {
      if (this.#made.has(to)) continue;
      if (statSync(from).isDirectory()) mkdirSync(to);
      else writeFileSync(to, '');
      execFileSync('mount', ['--bind', '-o', `${writable === true ? 'rw' : 'ro'},nosuid,nodev`, from, to]);
      this.#made.add(to);
    }
  }
}
