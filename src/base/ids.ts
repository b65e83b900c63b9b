import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

/** A compile-time label on a plain string, so that ids of different things do not mix. */
export type Branded<Name extends string> = string & { readonly __brand: Name };

/** One call of a function. UUID version 7 (RFC 9562): sorts by time of creation. */
export type InvocationId = Branded<'InvocationId'>;
/** One running process of a version. UUID version 7. */
export type InstanceId = Branded<'InstanceId'>;
/** One platform process. UUID version 7, new at each start. */
export type NodeId = Branded<'NodeId'>;

/** One run of a workflow. UUID version 7. */
export type ExecutionId = Branded<'ExecutionId'>;

/** Mints UUID version 7 strings. */
export type MintUuid = () => string;

const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));
/** The counter's last eight bits have a table; of the rest, the text is made once for each value. */
const LAST_BITS = 8;
const COUNTER_FIRST = 0x10_0000;
const COUNTER_LIMIT = 0x100_0000;

/**
 * Creates a minter of UUIDv7 strings: 48 bits of time, then random bits drawn afresh each millisecond,
 * of which the last 32 count up within that millisecond (RFC 9562, method 1). It costs well under a
 * microsecond an id, because it runs once a request.
 */
export function createUuidMinter(clock: Clock, random: Random): MintUuid {
  let lastMs = -1;
  let prefix = '';
  let counter = 0;
  let text = '';
  let last = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs > lastMs || counter >= COUNTER_LIMIT) {
      lastMs = Math.max(nowMs, counter >= COUNTER_LIMIT ? lastMs + 1 : lastMs);
      const bytes = random.bytes(10);
      const time = lastMs.toString(16).padStart(12, '0');
      const randomA = HEX[0x70 | (bytes[0]! & 0x0f)]! + HEX[bytes[1]!]!;
      const randomB = HEX[0x80 | (bytes[2]! & 0x3f)]! + HEX[bytes[3]!]!;
      prefix = `${time.slice(0, 8)}-${time.slice(8)}-${randomA}-${randomB}-${HEX[bytes[4]!]}${HEX[bytes[5]!]}`;
      // From six hex digits on, so that none needs padding; the range leaves two thousand million ids a millisecond.
      const drawn = ((bytes[6]! & 0x7f) << 16) | (bytes[7]! << 8) | bytes[8]!;
      counter = Math.max(COUNTER_FIRST, drawn);
      text = prefix + counter.toString(16);
      last = bytes[9]!;
    } else if (last === 1 << LAST_BITS) {
      last = 0;
      counter += 1;
      text = prefix + counter.toString(16);
    }
    return text + HEX[last++]!;
  };
}

/** The creation time in a UUIDv7, in epoch milliseconds; `undefined` when the text is not one. */
export function uuidTimeMs(uuid: string): number | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid)) return undefined;
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}
