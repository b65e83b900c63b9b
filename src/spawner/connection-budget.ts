import { readFileSync } from 'node:fs';

/** Connections of one instance at a time. */
const EACH_MAX = 256;
/** … which any instance may have as long as there are any, whatever others have. */
const EACH_SURE = 8;
/** What more than that an instance takes, it may take only while fewer than this share of all are open. */
const SHARE_FREE_FOR_ALL = 0.75;
/** Each connection has two ends here, and as many descriptors are left for everything else. */
const DESCRIPTORS_EACH = 4;
/** Where the limit cannot be read: what POSIX systems give at least. */
const DESCRIPTORS_UNKNOWN = 1_024;

/**
 * The connections that all instances together may have open through this process, out of the descriptors that it has:
 * none of them, nor all of them together, can take those with which instances are started and ended. Those that have few
 * get more when those that have many do not.
 */
export class ConnectionBudget {
  /** Of all instances together. */
  readonly most: number;
  #open = 0;

  constructor(descriptors = descriptorsMax()) {
    this.most = Math.max(EACH_SURE, Math.floor(descriptors / DESCRIPTORS_EACH));
  }

  /** How many are open. */
  get open(): number {
    return this.#open;
  }

  /** Takes one for an instance that has `own`, to be given back. Otherwise it says, in words, why there is none. */
  take(own: number): string | undefined {
    const each = Math.min(EACH_MAX, this.most);
    if (own >= each) return `it has ${own} connections open, the most that an instance may have`;
    if (this.#open >= this.most)
      return `all instances together have ${this.most} connections open, the most there may be`;
    if (own >= EACH_SURE && this.#open >= this.most * SHARE_FREE_FOR_ALL)
      return `it has ${own} connections open, and the last of the ${this.most} on this machine are for instances with fewer`;
    this.#open += 1;
    return undefined;
  }

  giveBack(): void {
    this.#open -= 1;
  }
}

/** How many files and connections this process may have open. Node.js has raised it as far as it may be raised. */
function descriptorsMax(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return Number(limit ?? DESCRIPTORS_UNKNOWN);
  } catch {
    return DESCRIPTORS_UNKNOWN;
  }
}
