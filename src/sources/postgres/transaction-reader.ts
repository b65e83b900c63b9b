import { type SealedEvent, sealEvent } from '../../model/sealed-event.ts';
import type { Read } from '../rows/row-queue.ts';
import { ChangeWriter } from './change-writer.ts';
import { type Message, parseMessage, type Relation } from './pgoutput.ts';
import { type RowChange, toChangeEvent, type TransactionPlace } from './row-event.ts';
import { formatLsn, type TableFacts } from './table-setup.ts';
import type { UnchangedValues } from './unchanged-values.ts';

/** Prefix of `pg_logical_emit_message` under which a function says which event led to its transaction. */
export const DEPTH_MESSAGE = 'lambent';
const DEPTH_MAX = 1_000_000;

/** Places are ends of transactions in the write-ahead log. */
export type RowRead = Read<bigint, SealedEvent>;

interface Transaction extends TransactionPlace {
  depth: number;
  index: number;
}

/** Turns the stream's messages into events. One reader for one connection: tables are described once in each. */
export class TransactionReader {
  readonly #trigger: string;
  readonly #slot: string;
  readonly #primaryKey: ReadonlySet<string>;
  readonly #arrayTypes: Set<number>;
  readonly #unchanged: UnchangedValues;
  readonly #writer: ChangeWriter;
  readonly #relations = new Map<number, Relation>();
  #transaction: Transaction | undefined;

  constructor(
    trigger: string,
    slot: string,
    { primaryKey, arrayTypes }: TableFacts,
    unchanged: UnchangedValues,
  ) {
    this.#trigger = trigger;
    this.#slot = slot;
    this.#primaryKey = primaryKey;
    this.#arrayTypes = new Set(arrayTypes);
    this.#unchanged = unchanged;
    this.#writer = new ChangeWriter(trigger, slot, primaryKey, this.#arrayTypes);
  }

  get isInside(): boolean {
    return this.#transaction !== undefined;
  }

  /** Of the message from `start` to `end`, nothing is kept. */
  read(bytes: Buffer, start: number, end: number): RowRead | undefined {
    return this.#readPlain(bytes, start, end) ?? this.#readMessage(bytes.subarray(start, end));
  }

  /** The short way, which most changes go. `undefined`: it is none of those. */
  #readPlain(bytes: Buffer, start: number, end: number): RowRead | undefined {
    const transaction = this.#transaction;
    if (transaction === undefined || end - start < 5) return undefined;
    const relation = this.#relations.get(bytes.readUInt32BE(start + 1));
    if (relation === undefined) return undefined;
    const event = this.#writer.write(bytes, start, end, relation, transaction);
    if (event === undefined) return undefined;
    transaction.index += 1;
    return { kind: 'event', event, depth: transaction.depth, bytes: end - start };
  }

  #readMessage(bytes: Buffer): RowRead | undefined {
    const message = parseMessage(bytes);
    switch (message.kind) {
      case 'begin': {
        const { commitLsn, timeMs, xid } = message;
        const where = { trigger: this.#trigger, slot: this.#slot, lsn: formatLsn(commitLsn) };
        this.#transaction = { ...where, timeMs, xid, depth: 0, index: 0 };
        return undefined;
      }
      case 'commit':
        this.#transaction = undefined;
        return { kind: 'commit', end: message.endLsn };
      case 'relation':
        this.#relations.set(message.relation.id, message.relation);
        return undefined;
      // An array of a type of the database's own: made since the connection began.
      case 'type':
        if (message.name.startsWith('_')) this.#arrayTypes.add(message.id);
        return undefined;
      case 'message':
        this.#tellDepth(message.prefix, message.content);
        return undefined;
      case 'origin':
        return undefined;
      default:
        return this.#change(message, bytes.length);
    }
  }

  #change(
    message: Extract<Message, { kind: 'insert' | 'update' | 'delete' | 'truncate' }>,
    bytes: number,
  ): RowRead {
    const transaction = this.#transaction;
    const relation = this.#relations.get(
      message.kind === 'truncate' ? message.relations[0]! : message.relation,
    );
    if (transaction === undefined || relation === undefined)
      throw new RangeError('a change outside of a transaction or of an unknown table');
    const change: RowChange = {
      ...{ action: message.kind, relation, primaryKey: this.#primaryKey, bytes },
      new: 'new' in message ? message.new : undefined,
      old: 'old' in message ? message.old : undefined,
    };
    const place = { ...transaction };
    transaction.index += 1;
    const event = sealEvent(toChangeEvent(change, place, this.#arrayTypes));
    this.#unchanged.note(event, change, place);
    return { kind: 'event', event, depth: place.depth, bytes };
  }

  #tellDepth(prefix: string, content: string): void {
    if (prefix !== DEPTH_MESSAGE || this.#transaction === undefined) return;
    const depth = Number(content);
    if (Number.isInteger(depth) && depth >= 0 && depth < DEPTH_MAX) this.#transaction.depth = depth + 1;
  }
}
