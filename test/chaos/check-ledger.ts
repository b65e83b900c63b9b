import type { Acknowledged, Seen } from './ledger.ts';

/*
 * The independent checker: it knows nothing of how the platform works, only what was promised.
 *
 * - What was acknowledged was seen by each function that it was for, or is a dead letter there.
 * - Within a key, first sightings are in order.
 * - A schedule has every instant between its first and its last, seen or dead, each under one id.
 */

export interface Facts {
  readonly acknowledged: readonly Acknowledged[];
  readonly seen: readonly Seen[];
  /** `FUNCTION ID` of dead letters. */
  readonly dead: ReadonlySet<string>;
  /** Functions that every event is for. */
  readonly functions: readonly string[];
  /** The one that is promised an order. */
  readonly ordered: string;
  /** The scheduled one, and the distance of its instants. */
  readonly scheduled: string;
  readonly everyMs: number;
}

/** What was promised and did not hold, each as a sentence. Empty: all of it held. */
export function checkLedger(facts: Facts): string[] {
  return [...checkLost(facts), ...checkOrder(facts), ...checkSchedule(facts)];
}

/** The same of rows: each that was committed was seen, or is a dead letter, and first sightings of a key are in order. */
export function checkRows(
  facts: Pick<Facts, 'acknowledged' | 'seen' | 'dead' | 'functions' | 'ordered'>,
): string[] {
  return [...checkLost(facts), ...checkOrder(facts)];
}

function checkLost({
  acknowledged,
  seen,
  dead,
  functions,
}: Pick<Facts, 'acknowledged' | 'seen' | 'dead' | 'functions'>): string[] {
  const problems: string[] = [];
  for (const name of functions) {
    const ids = new Set(seen.filter(({ by }) => by === name).map(({ id }) => id));
    for (const { id } of acknowledged)
      if (!ids.has(id) && !dead.has(`${name} ${id}`))
        problems.push(`${id} was acknowledged, and ${name} never saw it`);
  }
  return problems;
}

function checkOrder({ seen, ordered }: Pick<Facts, 'seen' | 'ordered'>): string[] {
  const problems: string[] = [];
  const known = new Set<string>();
  const last = new Map<string, Seen>();
  for (const each of seen) {
    if (each.by !== ordered || each.key === undefined || known.has(each.id)) continue;
    known.add(each.id);
    const before = last.get(each.key);
    if (before !== undefined && before.place > each.place)
      problems.push(
        `${ordered} saw ${each.id} after ${before.id}, which came later with the same key ${each.key}`,
      );
    else last.set(each.key, each);
  }
  return problems;
}

function checkSchedule({ seen, dead, scheduled, everyMs }: Facts): string[] {
  const ticks = seen.filter(({ by }) => by === scheduled);
  const idsByInstant = new Map<number, Set<string>>();
  for (const { instantMs, id } of ticks) {
    const ids = idsByInstant.get(instantMs!) ?? new Set();
    idsByInstant.set(instantMs!, ids.add(id));
  }
  // The id of a tick is its instant.
  for (const entry of dead) {
    const [by, id] = entry.split(' ');
    if (by === scheduled) idsByInstant.set(Date.parse(id!), new Set([id!]));
  }
  const instants = [...idsByInstant.keys()].toSorted((left, right) => left - right);
  const problems: string[] = [];
  if (instants.length < 2) return [`${scheduled} ran for ${instants.length} instants in the whole time`];
  for (let instant = instants[0]!; instant <= instants.at(-1)!; instant += everyMs)
    if (!idsByInstant.has(instant))
      problems.push(`${scheduled} never ran for ${new Date(instant).toISOString()}`);
  for (const [instant, ids] of idsByInstant)
    if (ids.size > 1) problems.push(`${new Date(instant).toISOString()} is ${ids.size} events`);
  return problems;
}
