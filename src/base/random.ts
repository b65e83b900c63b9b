import { randomFillSync } from 'node:crypto';

/** The platform's only source of randomness, injected so that the simulator can seed it. */
export interface Random {
  /** Uniform in [0, 1). Not for secrets. */
  fraction(): number;
  /** `size` unpredictable bytes. For ids and tokens. */
  bytes(size: number): Uint8Array;
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes: (size) => randomFillSync(new Uint8Array(size)),
};

/** A repeatable source (mulberry32 by Tommy Ettinger, public domain). For tests and the simulator only. */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    fraction: () => next() / 0x1_0000_0000,
    bytes: (size) => Uint8Array.from({ length: size }, () => next() & 0xff),
  };
}
