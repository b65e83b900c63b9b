import { createHash } from 'node:crypto';

/**
 * Randomness of one execution: drawn once from outside as `seed`, then derived by counting, so that a replay draws
 * the same. The counter is part of the machine's state.
 */
export interface Chance {
  readonly seed: string;
  draws: number;
}

/** 32 unpredictable bytes. */
export function drawBytes(chance: Chance): Buffer {
  chance.draws += 1;
  return createHash('sha256').update(`${chance.seed}/${chance.draws}`).digest();
}

/** Uniform in [0, 1). */
export function drawFraction(chance: Chance): number {
  return drawBytes(chance).readUIntBE(0, 6) / 2 ** 48;
}

/** A UUID version 4 (RFC 9562). */
export function drawUuid(chance: Chance): string {
  const bytes = drawBytes(chance);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** A fraction in [0, 1) that depends on the given seed alone. */
export function seededFraction(seed: unknown): number {
  return (
    createHash('sha256')
      .update(`seed ${String(seed)}`)
      .digest()
      .readUIntBE(0, 6) /
    2 ** 48
  );
}

/** The first number that java.util.Random gives for a seed: what AWS draws by. */
export function javaFraction(seed: number): number {
  const mask = (1n << 48n) - 1n;
  const bits = (count: bigint): bigint => {
    state = (state * 0x5deece66dn + 0xbn) & mask;
    return state >> (48n - count);
  };
  let state = (BigInt.asIntN(64, BigInt(seed)) ^ 0x5deece66dn) & mask;
  const high = bits(26n);
  return Number((high << 27n) + bits(27n)) / 2 ** 53;
}
