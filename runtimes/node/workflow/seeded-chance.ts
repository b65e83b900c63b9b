/** Randomness that is the same at each replay: xoshiro128** by Blackman and Vigna (public domain) over the execution's seed. */
export class SeededChance {
  readonly #state: Uint32Array;

  /** @param seed 32 hex digits */
  constructor(seed: string) {
    this.#state = Uint32Array.from(
      [0, 8, 16, 24],
      (at) => Number.parseInt(seed.slice(at, at + 8), 16) || at + 1,
    );
    // The first numbers still look like the seed, which is a secret.
    for (let turn = 0; turn < 20; turn += 1) this.#next();
  }

  /** Uniform in [0, 1), 53 bits. */
  fraction(): number {
    return (this.#next() * 0x20_0000 + (this.#next() >>> 11)) / 2 ** 53;
  }

  uuid(): string {
    const hex = Array.from({ length: 4 }, () => this.#next().toString(16).padStart(8, '0')).join('');
    const variant = (8 + (Number.parseInt(hex[16]!, 16) & 3)).toString(16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  #next(): number {
    const s = this.#state;
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = rotate(s[3]!, 11);
    return result;
  }
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
