/** Which transactions of a server were read, as it wants to be told: MariaDB and MySQL write that in ways of their own. */
export interface GtidState {
  /** A transaction was read; they come in the order of the log. */
  add(gtid: string): void;
  text(): string;
}

/** The last transaction of each domain: `0-1-100,1-1-5`. */
export class MariaGtids implements GtidState {
  readonly #last = new Map<string, string>();

  constructor(text: string) {
    for (const gtid of text.split(',').filter(Boolean)) this.add(gtid.trim());
  }

  add(gtid: string): void {
    if (!/^\d+-\d+-\d+$/.test(gtid)) throw new RangeError(`a GTID that is none: ${gtid}`);
    this.#last.set(gtid.slice(0, gtid.indexOf('-')), gtid);
  }

  text(): string {
    return [...this.#last.values()].join(',');
  }
}

export interface GtidInterval {
  readonly first: bigint;
  readonly last: bigint;
}

/** All transactions, by the server that made them: `uuid:1-100:103`. */
export class MysqlGtids implements GtidState {
  readonly #intervals = new Map<string, GtidInterval[]>();

  constructor(text: string) {
    for (const part of text.replaceAll(/\s/g, '').split(',').filter(Boolean)) {
      const [uuid = '', ...ranges] = part.split(':');
      for (const range of ranges) {
        if (!/^\d+(?:-\d+)?$/.test(range)) throw new RangeError(`a set of GTIDs that is none: ${part}`);
        const [first = '', last = first] = range.split('-');
        this.#insert(uuid.toLowerCase(), { first: BigInt(first), last: BigInt(last) });
      }
    }
  }

  add(gtid: string): void {
    const [uuid = '', number = ''] = gtid.split(':');
    this.#insert(uuid, { first: BigInt(number), last: BigInt(number) });
  }

  text(): string {
    return [...this.#intervals].map(([uuid, list]) => [uuid, ...list.map(intervalText)].join(':')).join(',');
  }

  intervals(): ReadonlyMap<string, readonly GtidInterval[]> {
    return this.#intervals;
  }

  #insert(uuid: string, { first, last }: GtidInterval): void {
    const list = this.#intervals.get(uuid) ?? [];
    // Those that touch the new one become one with it.
    const apart = list.filter((each) => each.last + 1n < first || each.first > last + 1n);
    const touching = list.filter((each) => !apart.includes(each));
    const whole = touching.reduce(
      (sum, each) => ({
        first: each.first < sum.first ? each.first : sum.first,
        last: each.last > sum.last ? each.last : sum.last,
      }),
      { first, last },
    );
    this.#intervals.set(
      uuid,
      [...apart, whole].toSorted((a, b) => (a.first < b.first ? -1 : 1)),
    );
  }
}

function intervalText({ first, last }: GtidInterval): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

/** A set as MySQL's command of the dump has it: servers, of each its intervals, whose ends are excluded. */
export function gtidBytes(state: MysqlGtids): Buffer {
  const number = (value: number | bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const all = [...state.intervals()];
  return Buffer.concat([
    number(all.length),
    ...all.flatMap(([uuid, list]) => [
      Buffer.from(uuid.replaceAll('-', ''), 'hex'),
      number(list.length),
      ...list.flatMap(({ first, last }) => [number(first), number(last + 1n)]),
    ]),
  ]);
}
