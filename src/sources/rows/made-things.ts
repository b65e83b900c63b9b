import { type Connection, type ConnectionKind, placeName, placeOf } from '../../model/connection.ts';
import type { TriggerId } from '../../model/trigger.ts';
import type { GoneTrigger, Leftovers, SourceContext, SourcePlan } from '../../ports/source.ts';

/*
 * What a trigger has in its database goes by one name, and its position keeps that name and where it is: so that it
 * is found again, dropped when the trigger is gone, and dropped at the former place when the trigger reads at another one.
 */

/** Places that a trigger read at before, whose things could not be dropped. Older ones are forgotten, and were logged. */
const LEFT_MAX = 10;

/** Things of one name, at a place that is read no more. */
export interface LeftBehind {
  readonly name: string;
  /** What tells the place from others (`placeOf`). */
  readonly url: string;
  /** How to get there; positions of older platforms do not have it. */
  readonly connection?: Connection | undefined;
}

/** What a position has of them; `name` is absent when only what was left is remembered. */
export interface MadeThings {
  readonly name?: string | undefined;
  readonly url?: string | undefined;
  readonly connection?: Connection | undefined;
  readonly left?: readonly LeftBehind[] | undefined;
}

/** A name for what a trigger has in its database, never given twice: at most 63 of `a-z0-9_`, as PostgreSQL wants. */
export function newSourceName({ id, random }: SourceContext): string {
  return sourceName(id, Buffer.from(random.bytes(4)).toString('hex'));
}

function sourceName(id: TriggerId, drawn: string): string {
  const readable = id.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');
  return `lambent_${readable.slice(0, 46)}_${drawn}`;
}

/** What is left behind by a position that was somewhere else. */
export function leftBehind(before: MadeThings | undefined, connection: Connection): readonly LeftBehind[] {
  const left = before?.left ?? [];
  if (before?.name === undefined || before.url === placeOf(connection)) return left;
  const { name, url, connection: former } = before;
  return [...left, { name, url: url!, connection: former }].slice(-LEFT_MAX);
}

/** The plan of a trigger, from where its source is. */
export function planOf(
  id: TriggerId,
  connection: Connection,
  before: MadeThings | undefined,
  statements: {
    readonly make: (name: string) => readonly string[];
    readonly drop: (name: string) => readonly string[];
  },
): SourcePlan {
  const isMade = before?.name !== undefined && before.url === placeOf(connection);
  const name = isMade ? before.name! : sourceName(id, 'XXXXXXXX');
  const { make, drop } = statements;
  const left = leftBehind(before, connection).map((each) => ({
    place: placeOfThing(each),
    drop: drop(each.name),
  }));
  return { place: placeName(connection), make: make(name), drop: drop(name), isMade, left };
}

function placeOfThing({ url, connection }: LeftBehind): string {
  return connection === undefined ? url : placeName(connection);
}

export interface Cleaning {
  readonly context: Pick<SourceContext, 'id' | 'log' | 'publish'>;
  /** Drops what goes by a name. */
  readonly drop: (connection: Connection, name: string) => Promise<void>;
  readonly statements: (name: string) => readonly string[];
  readonly describeFailure: (error: unknown) => string;
}

/** Drops what can be, and returns the rest, each of which is logged with the statements that do it by hand. */
export async function dropAll(
  things: readonly LeftBehind[],
  { context: { id, log }, drop, statements, describeFailure }: Cleaning,
): Promise<LeftBehind[]> {
  const rest: LeftBehind[] = [];
  for (const thing of things) {
    const { name, connection } = thing;
    const place = placeOfThing(thing);
    try {
      if (connection === undefined) throw new Error('how to get there is not known any more');
      await drop(connection, name);
      log.info('what a trigger had in a database was dropped', { trigger: id, place, name });
    } catch (error) {
      rest.push(thing);
      log.error('what a trigger has left in a database could not be dropped: drop it by hand', {
        ...{ trigger: id, place, error: describeFailure(error), statements: statements(name).join('; ') },
      });
    }
  }
  return rest;
}

/** All of it, when the trigger is gone. What could not be dropped stays remembered, for when the trigger comes again. */
export async function clearUpAll(things: readonly LeftBehind[], cleaning: Cleaning): Promise<void> {
  if (things.length === 0) return;
  const { publish, id, log } = cleaning.context;
  try {
    // Forgotten as its own first: whoever deploys the trigger again begins anew, and finds nothing lost.
    await publish([], JSON.stringify({ left: things }));
    const rest = await dropAll(things, cleaning);
    await publish([], rest.length === 0 ? '' : JSON.stringify({ left: rest }));
  } catch (error) {
    log.error('the place of a trigger that is gone could not be forgotten', {
      ...{ trigger: id, error: cleaning.describeFailure(error) },
    });
  }
}

/** Those of one kind of database: `statements` drop what goes by a name, and `cleaningOf` says how that is done. */
export function leftoversOf(
  kind: ConnectionKind,
  statements: Cleaning['statements'],
  cleaningOf: (gone: GoneTrigger) => Omit<Cleaning, 'statements' | 'context'>,
): Leftovers {
  return {
    areIn: (position) => everythingIn(position).some(({ connection }) => connection?.kind === kind),
    list: (position) =>
      everythingIn(position).map((each) => ({ place: placeOfThing(each), drop: statements(each.name) })),
    clear: (gone) =>
      clearUpAll(everythingIn(gone.position), { context: gone, statements, ...cleaningOf(gone) }),
  };
}

/** Sources that make nothing have positions of another shape. */
function everythingIn(position: string): LeftBehind[] {
  if (!position.startsWith('{')) return [];
  const {
    slot,
    name = slot,
    url,
    connection,
    left = [],
  } = JSON.parse(position) as MadeThings & { slot?: string };
  return name === undefined || url === undefined ? [...left] : [...left, { name, url, connection }];
}
