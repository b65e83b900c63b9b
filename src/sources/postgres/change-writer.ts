import { SealedEvent } from '../../model/sealed-event.ts';
import { COLUMN_BYTES, KEY_CHARS_MAX, SURELY_SMALL_BYTES, tableSubject } from '../rows/row-event.ts';
import { type Form, formOf, toJsonValue } from './column-value.ts';
import { JsonWriter } from './json-writer.ts';
import type { Relation } from './pgoutput.ts';
import { keyColumns, type TransactionPlace } from './row-event.ts';
import { TupleReader } from './tuple-reader.ts';

/*
 * The short way of a changed row: from PostgreSQL's bytes to the text of its event, with no object in between. Rows come by
 * the ten thousand a second, and making an object of every value, only to write it as JSON again, was most of what a row
 * cost. What is not plain (values that were not sent, large rows, long keys, anything odd) goes the long way (pgoutput.ts,
 * row-event.ts), which alone says what an event looks like: a test holds this one to it.
 */

type Place = Omit<TransactionPlace, 'index'>;
type Action = 'insert' | 'update' | 'delete';

const ACTIONS: ReadonlyMap<number, Action> = new Map([
  [code('I'), 'insert'],
  [code('U'), 'update'],
  [code('D'), 'delete'],
]);
const [NEW, WHOLE, NULL, UNCHANGED] = [code('N'), code('O'), code('n'), code('u')];
const COMMA = code(',');
const TRUE = code('t');
const KEY_END = Buffer.from('}');
const NEW_BEGIN = Buffer.from(',"new":{');
const OLD_BEGIN = Buffer.from(',"old":{');
const [JSON_NULL, JSON_TRUE, JSON_FALSE] = [Buffer.from('null'), Buffer.from('true'), Buffer.from('false')];
/** Bytes that `encodeURIComponent` leaves as they are. */
const IS_PLAIN_IN_URI = new Uint8Array(256);
for (let byte = 0; byte < 0x80; byte += 1) {
  const letter = String.fromCharCode(byte);
  IS_PLAIN_IN_URI[byte] = encodeURIComponent(letter) === letter ? 1 : 0;
}

interface ColumnPlan {
  /** `"name":` */
  readonly name: Buffer;
  readonly type: number;
  readonly form: Form | 'list';
  /** Of the replica identity. */
  readonly isKey: boolean;
}

/** What all changes of one table have in common. */
interface TablePlan {
  readonly columns: readonly ColumnPlan[];
  /** Places of the columns of the event's key. */
  readonly keys: readonly number[];
  readonly subject: string;
  readonly actions: ReadonlyMap<Action, ActionPlan>;
}

interface ActionPlan {
  readonly type: string;
  /** From behind the id up to the subject's key. */
  readonly attributes: Buffer;
  /** From the data's beginning up to the key's first column. */
  readonly data: Buffer;
}

/** What all changes of one transaction have in common. */
interface TransactionPlan {
  readonly place: Place;
  readonly idBegin: string;
  readonly begin: Buffer;
  /** From behind the subject up to the data. */
  readonly attributes: Buffer;
  readonly end: Buffer;
}

export class ChangeWriter {
  readonly #source: string;
  readonly #slot: string;
  readonly #primaryKey: ReadonlySet<string>;
  readonly #arrayTypes: ReadonlySet<number>;
  readonly #json = new JsonWriter();
  readonly #next = new TupleReader();
  readonly #former = new TupleReader();
  readonly #tables = new WeakMap<Relation, TablePlan>();
  #transaction: TransactionPlan | undefined;

  constructor(
    trigger: string,
    slot: string,
    primaryKey: ReadonlySet<string>,
    arrayTypes: ReadonlySet<number>,
  ) {
    this.#source = `/lambent/postgres/${trigger}`;
    this.#slot = slot;
    this.#primaryKey = primaryKey;
    this.#arrayTypes = arrayTypes;
  }

  /** The event of an insert, update or delete, from `start` to `end`; `undefined`: it has to go the long way. */
  write(
    message: Buffer,
    start: number,
    end: number,
    relation: Relation,
    place: TransactionPlace,
  ): SealedEvent | undefined {
    const action = ACTIONS.get(message[start]!);
    const surely = end - start + relation.columns.length * COLUMN_BYTES;
    if (action === undefined || surely > SURELY_SMALL_BYTES) return undefined;
    const table = this.#tableOf(relation);
    // Behind the letter and the table's number.
    if (!this.#read(message, start + 5, end, action, table)) return undefined;
    const key = this.#keyOf(message, table);
    if (key === undefined) return undefined;
    const transaction = this.#transactionOf(place);
    const plan = table.actions.get(action)!;
    const json = this.#json;
    json.begin();
    json.raw(transaction.begin);
    json.digits(place.index);
    json.raw(plan.attributes);
    json.text(key);
    json.raw(transaction.attributes);
    json.raw(plan.data);
    this.#writeKey(message, table);
    json.raw(KEY_END);
    if (action !== 'delete') this.#writeNew(message, table);
    if (this.#former.isThere) this.#writeOld(message, table);
    json.raw(transaction.end);
    const id = transaction.idBegin + place.index;
    const subject = table.subject + key;
    return new SealedEvent({ id, source: this.#source, type: plan.type, subject }, json.end(), undefined);
  }

  /** Finds the values. False: they are not plain. */
  #read(message: Buffer, from: number, end: number, action: Action, { columns }: TablePlan): boolean {
    const [next, former] = [this.#next, this.#former];
    next.clear();
    former.clear();
    let at = from;
    if (action !== 'insert' && message[at] !== NEW) {
      at = former.read(message, at + 1, end, columns.length, message[at] === WHOLE);
      if (at < 0) return false;
    }
    if (action === 'delete') return true;
    if (message[at] !== NEW || next.read(message, at + 1, end, columns.length, true) < 0) return false;
    // What is large and did not change is taken from the old row, where that is whole.
    for (let column = 0; column < columns.length; column += 1)
      if (next.kinds[column] === UNCHANGED && !next.take(former, column)) return false;
    return true;
  }

  /** The key as the subject has it, behind the table's name; `undefined`: it is not plain. */
  #keyOf(message: Buffer, { columns, keys }: TablePlan): string | undefined {
    let key = '';
    for (const column of keys) {
      const row = this.#rowOfKey(column, columns[column]!);
      if (row === undefined) return undefined;
      key += `${key === '' ? '/' : ','}${this.#keyText(message, row, column, columns[column]!)}`;
    }
    return key.length > KEY_CHARS_MAX ? undefined : key;
  }

  /** Its former value, so that a row whose key changes keeps its place in the order. */
  #rowOfKey(column: number, { isKey }: ColumnPlan): TupleReader | undefined {
    const [next, former] = [this.#next, this.#former];
    if (former.isThere && former.kinds[column] !== UNCHANGED && (former.isWhole || isKey)) return former;
    return next.isThere ? next : undefined;
  }

  #keyText(message: Buffer, row: TupleReader, at: number, { type, form }: ColumnPlan): string {
    const [start, end] = [row.starts[at]!, row.ends[at]!];
    const isNull = row.kinds[at] === NULL;
    if (!isNull && (form === 'text' || form === 'integer')) {
      let place = start;
      while (place < end && IS_PLAIN_IN_URI[message[place]!] === 1) place += 1;
      if (place === end) return message.toString('latin1', start, end);
    }
    const value = toJsonValue(isNull ? null : message.toString('utf8', start, end), type, this.#arrayTypes);
    return encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value));
  }

  #writeKey(message: Buffer, { columns, keys }: TablePlan): void {
    keys.forEach((column, place) => {
      if (place > 0) this.#json.byte(COMMA);
      const plan = columns[column]!;
      this.#writeColumn(message, this.#rowOfKey(column, plan)!, column, plan);
    });
  }

  #writeNew(message: Buffer, { columns }: TablePlan): void {
    this.#json.raw(NEW_BEGIN);
    for (let column = 0; column < columns.length; column += 1) {
      if (column > 0) this.#json.byte(COMMA);
      this.#writeColumn(message, this.#next, column, columns[column]!);
    }
    this.#json.raw(KEY_END);
  }

  #writeOld(message: Buffer, { columns }: TablePlan): void {
    const former = this.#former;
    let isFirst = true;
    this.#json.raw(OLD_BEGIN);
    columns.forEach((plan, column) => {
      if (former.kinds[column] === UNCHANGED || !(former.isWhole || plan.isKey)) return;
      if (!isFirst) this.#json.byte(COMMA);
      isFirst = false;
      this.#writeColumn(message, former, column, plan);
    });
    this.#json.raw(KEY_END);
  }

  #writeColumn(message: Buffer, row: TupleReader, at: number, { name, type, form }: ColumnPlan): void {
    const json = this.#json;
    const [start, end] = [row.starts[at]!, row.ends[at]!];
    json.raw(name);
    if (row.kinds[at] === NULL) json.raw(JSON_NULL);
    else if (form === 'text') json.quoted(message, start, end);
    else if (form === 'integer') json.copy(message, start, end);
    else if (form === 'boolean')
      json.raw(end - start === 1 && message[start] === TRUE ? JSON_TRUE : JSON_FALSE);
    else if ((form !== 'instant' && form !== 'time') || !json.time(message, start, end, form === 'instant'))
      json.text(JSON.stringify(toJsonValue(message.toString('utf8', start, end), type, this.#arrayTypes)));
  }

  #tableOf(relation: Relation): TablePlan {
    let plan = this.#tables.get(relation);
    if (plan === undefined) {
      plan = planTable(relation, this.#primaryKey, this.#arrayTypes, this.#source);
      this.#tables.set(relation, plan);
    }
    return plan;
  }

  #transactionOf(place: TransactionPlace): TransactionPlan {
    const before = this.#transaction;
    if (before?.place.lsn === place.lsn && before.place.depth === place.depth) return before;
    const idBegin = `${this.#slot}/${place.lsn}/`;
    const time = new Date(place.timeMs).toISOString();
    this.#transaction = {
      ...{ place, idBegin },
      begin: Buffer.from(`{"specversion":"1.0","id":"${inQuotes(idBegin)}`),
      attributes: Buffer.from(
        `","time":"${time}","datacontenttype":"application/json","lambentdepth":${place.depth},"data":{`,
      ),
      end: Buffer.from(`,"lsn":${JSON.stringify(place.lsn)},"transaction":${place.xid}}}`),
    };
    return this.#transaction;
  }
}

function planTable(
  relation: Relation,
  primaryKey: ReadonlySet<string>,
  arrayTypes: ReadonlySet<number>,
  source: string,
): TablePlan {
  const { schema, table } = relation;
  const subject = tableSubject(schema, table);
  const keys = new Set(keyColumns({ relation, primaryKey }));
  const actions = [...ACTIONS.values()].map((action): [Action, ActionPlan] => {
    const type = `lambent.postgres.${action}`;
    const names = `"schema":${JSON.stringify(schema)},"table":${JSON.stringify(table)}`;
    return [
      action,
      {
        type,
        attributes: Buffer.from(
          `","source":${JSON.stringify(source)},"type":"${type}","subject":"${subject}`,
        ),
        data: Buffer.from(`"action":"${action}",${names},"key":{`),
      },
    ];
  });
  return {
    ...{ subject, actions: new Map(actions) },
    columns: relation.columns.map(({ name, type, isKey }) => ({
      ...{ name: Buffer.from(`${JSON.stringify(name)}:`), type, isKey },
      form: formOf(type, arrayTypes),
    })),
    keys: relation.columns.flatMap(({ name }, at) => (keys.has(name) ? [at] : [])),
  };
}

function inQuotes(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function code(letter: string): number {
  return letter.charCodeAt(0);
}
