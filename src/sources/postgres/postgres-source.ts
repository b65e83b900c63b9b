import type { Client } from 'pg';
import type { Clock, Timer } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import { type Address, type Connection, placeOf } from '../../model/connection.ts';
import type { SealedEvent } from '../../model/sealed-event.ts';
import type { PostgresSource as Settings } from '../../model/trigger.ts';
import type { SourceContext, SourceFactory } from '../../ports/source.ts';
import { RateGuard } from '../rows/rate-guard.ts';
import { RowQueue } from '../rows/row-queue.ts';
import {
  type Cleaning,
  clearUpAll,
  dropAll,
  type LeftBehind,
  leftBehind,
  leftoversOf,
  type MadeThings,
  newSourceName,
  planOf,
} from '../rows/made-things.ts';
import { type RowLink, type RowReader, RowSource } from '../rows/row-source.ts';
import { connect } from './connect.ts';
import { describeFailure } from './connection-failure.ts';
import { checkExistingRows, readExistingRows } from './existing-rows.ts';
import { ReplicationStream } from './replication-stream.ts';
import {
  checkServer,
  dropSlot,
  dropStatements,
  ensurePublication,
  findSlot,
  formatLsn,
  parseLsn,
  quoteName,
  setupStatements,
  type TableFacts,
} from './table-setup.ts';
import { TransactionReader } from './transaction-reader.ts';
import { UnchangedValues } from './unchanged-values.ts';

/*
 * Changed rows of PostgreSQL, by logical replication. Each trigger has a publication and a replication slot of its own,
 * both of one name, which it makes, and drops when the trigger is deployed no more. The slot makes PostgreSQL keep what
 * was not confirmed: so a change is stored as an event first, with the position, and only then confirmed. Whatever breaks,
 * the connection is made anew, for ever, and the server sends again from what was confirmed; ids are made of the place in the
 * log, so that a change that comes again is the same event.
 *
 * A slot that is lost means that changes are lost. It is never replaced silently: the trigger stands still and says so.
 *
 * Rows that were there before the slot are told first where the trigger wants them (existing-rows.ts): the stream begins
 * when all of them are stored.
 *
 * Deliberately absent: partitioned tables as a whole, and changes of the schema as events.
 */

/** How often the slot is looked at, and an idle stream confirmed. */
const LOOK_MS = 10_000;
/** Looks, one after another, that find a lag beyond the limit and not smaller than before: then the slot is dropped. */
const LOOKS_OVER_MAX = 6;
const MB = 1_048_576;

interface Position {
  /** Name of slot and publication. */
  readonly slot: string;
  /** What tells the database from others (`placeOf`): another one begins anew. */
  readonly url: string;
  /** The end of what is stored; `undefined`: the slot is still to be made. */
  readonly lsn: string | undefined;
  /** The slot was dropped by us, when it held so many bytes. */
  readonly droppedBytes?: number | undefined;
  /** Rows that were there before are still to be told: those behind this key. */
  readonly existing?: { readonly after?: readonly string[] } | undefined;
  /** How to get there, for when the trigger reads somewhere else. Names of secrets, no values. */
  readonly connection?: Connection;
  readonly left?: readonly LeftBehind[];
}

class SlotReader implements RowReader {
  readonly #context: SourceContext;
  readonly #settings: Settings;
  readonly #guard: RateGuard;
  #position: Position;
  #isKnown: boolean;
  /** How often in a row the lag was beyond the limit, and how much it was at the last. */
  #over = { looks: 0, bytes: 0 };
  /** The last address: when the trigger is gone, so are the variables of its function. */
  #address: Address | undefined;

  constructor(context: SourceContext, settings: Settings) {
    this.#context = context;
    this.#settings = settings;
    this.#guard = new RateGuard(context.clock, settings.maxPerMinute);
    const before = parsePosition(context.position);
    const { connection } = settings;
    const url = placeOf(connection);
    this.#isKnown = before?.slot !== undefined && before.url === url;
    this.#position = this.#isKnown
      ? { ...(before as Position), connection }
      : {
          ...{ slot: newSourceName(context), url, lsn: undefined, connection },
          existing: settings.backfill === true ? {} : undefined,
          left: leftBehind(thingsOf(before), connection),
        };
  }

  readonly describeFailure = describeFailure;

  async clearUp(): Promise<void> {
    const { slot: name, url, left = [] } = this.#position;
    const { connection } = this.#settings;
    const own = this.#isKnown ? [{ name, url, connection }] : [];
    await clearUpAll([...left, ...own], this.#cleaning);
  }

  get #cleaning(): Cleaning {
    return {
      ...{ context: this.#context, statements: dropStatements, describeFailure },
      drop: async (connection, name) => {
        const address = await this.#context.address(connection).catch((thrown: unknown) => {
          if (this.#address === undefined || placeOf(connection) !== this.#position.url) throw thrown;
          return this.#address;
        });
        await dropAt(address, name, this.#context.clock);
      },
    };
  }

  /** What was made where the trigger read before: it would make that database keep its log. */
  async #clearLeft(): Promise<void> {
    const { left = [] } = this.#position;
    if (left.length === 0) return;
    const rest = await dropAll(left, this.#cleaning);
    if (rest.length < left.length) await this.#keep([], { ...this.#position, left: rest }, 0);
  }

  async stream(link: RowLink): Promise<void> {
    const { lose } = link;
    const clients: Client[] = [];
    let timer: Timer | undefined;
    let stream: ReplicationStream | undefined;
    let queue: RowQueue<bigint, SealedEvent> | undefined;
    let filled: Promise<void> | undefined;
    try {
      const control = await this.#connect(false, lose);
      clients.push(control);
      const facts = await checkServer(control, this.#settings);
      if (this.#owesExisting) checkExistingRows(facts, this.#settings);
      await this.#announce();
      await this.#clearLeft();
      await this.#checkDropped(control);
      await this.#publication(control);
      const replica = await this.#connect(true, lose);
      clients.push(replica);
      const { from, snapshot } = await this.#slot(control, replica, link);
      const unchanged = new UnchangedValues(control, this.#settings, facts, this.#context.clock);
      const reader = new TransactionReader(this.#context.id, this.#position.slot, facts, unchanged);
      const opened = new ReplicationStream(
        replica,
        this.#context.clock,
        {
          data: (bytes, start, end) => rows.add(reader.read(bytes, start, end), reader.isInside),
          reached: (lsn) => rows.reached(lsn, reader.isInside),
          lost: lose,
        },
        from,
      );
      const rows = new RowQueue<bigint, SealedEvent>({
        ...{ context: this.#context, stream: opened, guard: this.#guard, lost: lose },
        store: (events, lsn, depth) => this.#storeFilled(unchanged, events, lsn, depth),
      });
      [stream, queue] = [opened, rows];
      timer = this.#context.clock.every(LOOK_MS, () => void this.#look(control, rows, link).catch(lose));
      if (this.#owesExisting && !link.signal.aborted) {
        // Its end is no news: whatever it is asked after that fails.
        const client = await this.#connect(false, () => {});
        clients.push(client);
        filled = this.#fill(client, facts, snapshot, link);
        await Promise.race([filled, link.lost, link.closed]);
      }
      if (link.signal.aborted) return;
      opened.start(this.#position.slot, this.#position.slot);
      link.connected();
      await Promise.race([link.lost, link.closed]);
    } finally {
      timer?.cancel();
      stream?.close();
      await queue?.close();
      for (const client of clients) client.connection.stream.destroy();
      // Of what failed here somebody else has heard; but nothing is stored when this is over.
      await filled?.catch(() => {});
    }
  }

  get #owesExisting(): boolean {
    return this.#settings.backfill === true && this.#position.existing !== undefined;
  }

  /** Stores the rows that were there before, each chunk together with how far it came. */
  async #fill(client: Client, facts: TableFacts, snapshot: string | undefined, link: RowLink): Promise<void> {
    const { id: trigger, clock, log } = this.#context;
    const after = this.#position.existing?.after;
    const place = { trigger, slot: this.#position.slot, timeMs: clock.nowMs() };
    log.info('the rows that a table has are told before its changes', {
      trigger,
      goesOn: after !== undefined,
    });
    link.connected();
    let count = 0;
    const settings = this.#settings;
    for await (const rows of readExistingRows({ client, settings, facts, place, snapshot, after })) {
      if (link.signal.aborted) return;
      await this.#keep(rows.events, { ...this.#position, existing: { after: rows.after } }, 0);
      count += rows.events.length;
    }
    await this.#keep([], { ...this.#position, existing: undefined }, 0);
    await client.end();
    log.info('all rows that a table had are told; its changes follow', { trigger, rows: count });
  }

  async #connect(replicates: boolean, onLost: (error: unknown) => void): Promise<Client> {
    this.#address = await this.#context.address(this.#settings.connection);
    return connect(this.#address, { replicates, onLost });
  }

  /** What is about to be made is remembered first, so that it is found again, and dropped in the end. */
  async #announce(): Promise<void> {
    if (this.#isKnown) return;
    const { slot } = this.#position;
    this.#context.log.info('a table becomes a source; in its database will be made:', {
      trigger: this.#context.id,
      statements: setupStatements(slot, this.#settings).join('; '),
    });
    await this.#context.publish([], JSON.stringify(this.#position));
    this.#isKnown = true;
  }

  async #publication(control: Client): Promise<void> {
    const statements = await ensurePublication(control, this.#position.slot, this.#settings);
    if (statements.length > 0)
      this.#context.log.info('a publication was made', {
        trigger: this.#context.id,
        statements: statements.join('; '),
      });
  }

  /** Makes the slot, or finds it as it was left. `E_SLOT_LOST`. */
  async #slot(
    control: Client,
    replica: Client,
    link: RowLink,
  ): Promise<{ readonly from: bigint; readonly snapshot: string | undefined }> {
    const { slot, lsn } = this.#position;
    let found = await findSlot(control, slot);
    let snapshot: string | undefined;
    if (lsn === undefined) {
      if (found === undefined) {
        // It holds until the next command on that connection.
        const kind = this.#owesExisting ? 'EXPORT_SNAPSHOT' : 'NOEXPORT_SNAPSHOT';
        const made = await replica.query<{ snapshot_name: string | null }>(
          `CREATE_REPLICATION_SLOT ${quoteName(slot)} LOGICAL pgoutput ${kind}`,
        );
        snapshot = made.rows[0]?.snapshot_name ?? undefined;
        found = await findSlot(control, slot);
      }
      const from = found!.confirmed;
      link.lag(found!.lagBytes);
      await this.#store([], from, 0);
      return { from, snapshot };
    }
    if (found === undefined) throw slotLost(`The replication slot ${slot} is gone`);
    if (found.isLost) throw slotLost(`PostgreSQL has thrown away what the slot ${slot} had still to send`);
    if (found.confirmed > parseLsn(lsn)) throw slotLost(`Somebody else has read from the slot ${slot}`);
    await this.#checkLag(found.lagBytes, link);
    return { from: parseLsn(lsn), snapshot };
  }

  /** In parts where they are large: the position goes with the last. */
  async #storeFilled(
    unchanged: UnchangedValues,
    events: readonly SealedEvent[],
    lsn: bigint | undefined,
    depth: number,
  ): Promise<void> {
    let former: readonly SealedEvent[] | undefined;
    for await (const filled of unchanged.fill(events, lsn)) {
      if (former !== undefined) await this.#store(former, undefined, depth);
      former = filled;
    }
    await this.#store(former!, lsn, depth);
  }

  async #store(
    events: Parameters<SourceContext['publish']>[0],
    lsn: bigint | undefined,
    depth: number,
  ): Promise<void> {
    await this.#keep(
      events,
      lsn === undefined ? undefined : { ...this.#position, lsn: formatLsn(lsn) },
      depth,
    );
  }

  /** Events and the position after them, in one step. */
  async #keep(
    events: Parameters<SourceContext['publish']>[0],
    next: Position | undefined,
    depth: number,
  ): Promise<void> {
    await this.#context.publish(events, next === undefined ? undefined : JSON.stringify(next), depth);
    if (next !== undefined) this.#position = next;
  }

  async #look(control: Client, queue: RowQueue<bigint, SealedEvent>, link: RowLink): Promise<void> {
    const found = await findSlot(control, this.#position.slot);
    if (found === undefined || found.isLost)
      throw slotLost(`The replication slot ${this.#position.slot} is lost`);
    queue.confirmIdle();
    await this.#checkLag(found.lagBytes, link);
  }

  /** `E_SLOT_LOST`, and the slot is gone. */
  async #checkDropped(control: Client): Promise<void> {
    const { slot, droppedBytes } = this.#position;
    if (droppedBytes === undefined) return;
    await dropSlot(control, slot, this.#context.clock);
    throw slotLost(droppedText(slot, droppedBytes));
  }

  /** Rather than fill the database's disk, the trigger gives up, where it was told so. `E_SLOT_LOST`. */
  async #checkLag(lagBytes: number, link: RowLink): Promise<void> {
    link.lag(lagBytes);
    const { maxLagMb } = this.#settings;
    const isOver = maxLagMb !== undefined && lagBytes > maxLagMb * MB;
    // What grows smaller is being read: it needs time, and no end.
    const looks = isOver && lagBytes >= this.#over.bytes ? this.#over.looks + 1 : 0;
    this.#over = { looks, bytes: lagBytes };
    if (looks < LOOKS_OVER_MAX) return;
    const { slot } = this.#position;
    // With the next connection it is dropped: this one still reads from it.
    const next = { ...this.#position, droppedBytes: lagBytes };
    await this.#keep([], next, 0);
    throw slotLost(droppedText(slot, lagBytes));
  }
}

async function dropAt(address: Address, name: string, clock: Clock): Promise<void> {
  const client = await connect(address, { replicates: false, onLost() {} });
  try {
    await dropSlot(client, name, clock);
  } finally {
    await client.end();
  }
}

function droppedText(slot: string, bytes: number): string {
  return `The slot ${slot} held ${Math.round(bytes / MB)} MB, more than \`maxLag\`, and is dropped for the sake of the database’s disk`;
}

function slotLost(what: string): LambentError {
  return new LambentError('E_SLOT_LOST', `${what}: changes since then do not come as events.`);
}

/** An empty one was forgotten on purpose; one without a slot has only what is left of former ones. */
function parsePosition(text: string | undefined): Partial<Position> | undefined {
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as Partial<Position>);
}

function thingsOf(position: Partial<Position> | undefined): MadeThings | undefined {
  return position === undefined ? undefined : { ...position, name: position.slot };
}

export const postgresSources: SourceFactory = {
  kind: 'postgres',
  open: (context) => new RowSource(context, new SlotReader(context, context.trigger.source as Settings)),
  plan(id, source, position) {
    const settings = source as Settings;
    const make = (name: string) => setupStatements(name, settings);
    return planOf(id, settings.connection, thingsOf(parsePosition(position)), { make, drop: dropStatements });
  },
  leftovers: leftoversOf('postgres', dropStatements, (gone) => ({
    describeFailure,
    drop: async (connection, name) => dropAt(await gone.address(connection), name, gone.clock),
  })),
};
