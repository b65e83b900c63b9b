import type { Timer } from '../../base/clock.ts';
import { placeOf } from '../../model/connection.ts';
import type { MysqlSource as Settings } from '../../model/trigger.ts';
import type { SourceContext, SourceFactory } from '../../ports/source.ts';
import { RateGuard } from '../rows/rate-guard.ts';
import { RowQueue } from '../rows/row-queue.ts';
import { newSourceName } from '../rows/made-things.ts';
import { type RowLink, type RowReader, RowSource } from '../rows/row-source.ts';
import { BinlogStream } from './binlog-stream.ts';
import { connect, type Database } from './connect.ts';
import { describeFailure } from './connection-failure.ts';
import { beginSnapshot, describeExisting, readExistingRows } from './existing-rows.ts';
import { gtidBytes, MariaGtids, MysqlGtids } from './gtid-state.ts';
import { checkServer, findEnd, findLag, type StreamFacts } from './server-setup.ts';
import { type Place, TransactionReader } from './transaction-reader.ts';

/*
 * Changed rows of MariaDB and MySQL, by the binary log: the platform reads it as a replica does. Nothing is made in the
 * database, and the server knows nothing of us: where we are, in GTIDs, is stored together with the events, and each
 * connection begins there. Ids are made of the GTID and the number of the row in its transaction.
 *
 * The server keeps its log for as long as it was told to, not for us. When what comes next is gone, or was logged as a
 * statement, changes are lost: the trigger stands still and says so.
 *
 * Rows that were there before are told first where the trigger wants them (existing-rows.ts).
 *
 * Deliberately absent: a filter of rows, changes by foreign keys (ON DELETE CASCADE), which
 * the servers do not log, and a transaction of XA that is rolled back after it was prepared: it is told when prepared.
 */

/** How often the lag is looked at, and the place of a quiet table stored. */
const LOOK_MS = 10_000;
/** Numbers of replicas that people give are small. */
const SERVER_ID_MIN = 2 ** 31;

interface Position {
  /** Ids of events begin with it. */
  readonly name: string;
  /** What tells the database from others (`placeOf`): another one begins anew. */
  readonly url: string;
  /** Our number among the server's replicas. */
  readonly serverId: number;
  /** What is stored; `undefined`: not begun. */
  readonly place: Place | undefined;
  /** Rows that were there before are still to be told: those behind `after`, or all. */
  readonly existing?: { readonly after?: readonly string[] } | undefined;
}

class BinlogReader implements RowReader {
  readonly #context: SourceContext;
  readonly #settings: Settings;
  readonly #guard: RateGuard;
  #position: Position;

  constructor(context: SourceContext, settings: Settings) {
    this.#context = context;
    this.#settings = settings;
    this.#guard = new RateGuard(context.clock, settings.maxPerMinute);
    const before = parsePosition(context.position);
    const url = placeOf(settings.connection);
    this.#position =
      before?.url === url
        ? before
        : {
            ...{ name: newSourceName(context), url, place: undefined },
            existing: settings.backfill === true ? {} : undefined,
            serverId: SERVER_ID_MIN + Math.floor(context.random.fraction() * SERVER_ID_MIN),
          };
  }

  readonly describeFailure = describeFailure;

  /** Whoever deploys the trigger again begins anew. */
  async clearUp(): Promise<void> {
    const { log, id } = this.#context;
    await this.#context.publish([], '').catch((error: unknown) => {
      log.error('the place of a trigger that is gone could not be forgotten', {
        ...{ trigger: id, error: describeFailure(error) },
      });
    });
  }

  async stream(link: RowLink): Promise<void> {
    const { lose } = link;
    const databases: Database[] = [];
    let timer: Timer | undefined;
    let stream: BinlogStream | undefined;
    let queue: RowQueue<Place> | undefined;
    try {
      const control = await this.#connect(lose);
      databases.push(control);
      const facts = await checkServer(control, this.#settings);
      if (this.#owesExisting) await this.#tellExisting(facts, control, link, databases);
      if (link.signal.aborted) return;
      const from = await this.#begin(facts.gtids, facts, control);
      const reader = this.#reader(facts, from);
      const replica = await this.#connect(lose);
      databases.push(replica);
      const opened = new BinlogStream(replica, this.#context.clock, {
        event(bytes) {
          const reads = reader.read(bytes);
          for (const read of reads) rows.add(read, reader.isInside);
        },
        lost: lose,
      });
      const rows = new RowQueue<Place>({
        ...{ context: this.#context, stream: opened, guard: this.#guard, lost: lose },
        store: (events, place, depth) => this.#store(events, place, depth),
      });
      [stream, queue] = [opened, rows];
      const look = async () => {
        rows.confirmIdle();
        const lag = await findLag(control, this.#position.place!);
        if (lag !== undefined) link.lag(lag);
      };
      timer = this.#context.clock.every(LOOK_MS, () => void look().catch(lose));
      if (link.signal.aborted) return;
      await opened.start({
        ...{ isMariaDb: facts.isMariaDb, serverId: this.#position.serverId, gtids: from.gtids },
        gtidBytes: facts.isMariaDb ? undefined : gtidBytes(new MysqlGtids(from.gtids)),
      });
      link.connected();
      void look().catch(lose);
      await Promise.race([link.lost, link.closed]);
    } finally {
      timer?.cancel();
      stream?.close();
      await queue?.close();
      for (const database of databases) database.destroy();
    }
  }

  async #connect(onLost: (error: unknown) => void): Promise<Database> {
    return connect(await this.#context.address(this.#settings.connection), onLost);
  }

  /** Where the stream begins; the first time, what was until now is not told. */
  async #begin(gtids: string, { table }: StreamFacts, control: Database): Promise<Place> {
    const { place } = this.#position;
    if (place !== undefined) return place;
    const first = { gtids, ...(await findEnd(control)) };
    await this.#store([], first, 0);
    this.#context.log.info(
      'a table becomes a source; nothing is made in its database, whose binary log is read',
      {
        ...{ trigger: this.#context.id, table: `${table.schema}.${table.table}`, from: gtids },
        replica: this.#position.serverId,
      },
    );
    return first;
  }

  get #owesExisting(): boolean {
    return this.#settings.backfill === true && this.#position.existing !== undefined;
  }

  async #tellExisting(
    facts: StreamFacts,
    control: Database,
    { signal, lose }: RowLink,
    databases: Database[],
  ): Promise<void> {
    const { clock, id: trigger } = this.#context;
    const table = await describeExisting(control, facts.table, this.#settings);
    const reading = await this.#connect(lose);
    databases.push(reading);
    const gtids = await beginSnapshot(reading, facts.isMariaDb);
    await this.#begin(gtids, facts, control);
    const { name, existing } = this.#position;
    const place = { trigger, name, timeMs: clock.nowMs() };
    for await (const rows of readExistingRows(reading, table, existing?.after, place)) {
      if (signal.aborted) return;
      await this.#keep(rows.events, { ...this.#position, existing: { after: rows.after } }, 0);
    }
    await this.#keep([], { ...this.#position, existing: undefined }, 0);
  }

  #reader({ isMariaDb, table, sets }: StreamFacts, from: Place): TransactionReader {
    return new TransactionReader({
      ...{ trigger: this.#context.id, name: this.#position.name, settings: this.#settings },
      ...{ table, isMariaDb, sets },
      gtids: isMariaDb ? new MariaGtids(from.gtids) : new MysqlGtids(from.gtids),
    });
  }

  async #store(
    events: Parameters<SourceContext['publish']>[0],
    place: Place | undefined,
    depth: number,
  ): Promise<void> {
    await this.#keep(events, place === undefined ? undefined : { ...this.#position, place }, depth);
  }

  async #keep(
    events: Parameters<SourceContext['publish']>[0],
    next: Position | undefined,
    depth: number,
  ): Promise<void> {
    await this.#context.publish(events, next === undefined ? undefined : JSON.stringify(next), depth);
    if (next !== undefined) this.#position = next;
  }
}

/** An empty one was forgotten on purpose. */
function parsePosition(text: string | undefined): Position | undefined {
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as Position);
}

export const mysqlSources: SourceFactory = {
  kind: 'mysql',
  open: (context) => new RowSource(context, new BinlogReader(context, context.trigger.source as Settings)),
};
