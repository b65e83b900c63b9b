import type { ExecutionId } from '../base/ids.ts';
import type { StoredTransition } from './journal-transition.ts';

/*
 * Transitions on their way to the writer's thread: those of one turn as columns. Most of them say no more than which
 * entries to append; what few have lies beside, with its place.
 */

/** Numbers of a transition: fence, seq, count, nowMs. */
const NUMBERS = 4;

export interface PackedTransitions {
  readonly ids: readonly ExecutionId[];
  readonly entries: readonly string[];
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly special: readonly Special[];
}

/** What a transition has that does more than append. */
interface Special extends Pick<StoredTransition, 'next' | 'endedAs' | 'beside'> {
  readonly place: number;
}

const GOES_ON = { status: 'running' } as const;

export function packTransitions(calls: readonly (readonly [StoredTransition])[]): PackedTransitions {
  const numbers = new Float64Array(calls.length * NUMBERS);
  const special: Special[] = [];
  calls.forEach(([{ fence, seq, count, nowMs, next, endedAs, beside }], place) => {
    numbers.set([fence, seq, count, nowMs], place * NUMBERS);
    if (next.status !== 'running' || beside !== undefined) special.push({ place, next, endedAs, beside });
  });
  return {
    ...{ numbers, special },
    ids: calls.map(([{ id }]) => id),
    entries: calls.map(([{ entries }]) => entries),
  };
}

export function unpackTransitions({
  ids,
  entries,
  numbers,
  special,
}: PackedTransitions): [StoredTransition][] {
  const byPlace = new Map(special.map((each) => [each.place, each]));
  return ids.map((id, place) => {
    const at = place * NUMBERS;
    const own = byPlace.get(place);
    return [
      {
        id,
        fence: numbers[at]!,
        seq: numbers[at + 1]!,
        count: numbers[at + 2]!,
        nowMs: numbers[at + 3]!,
        entries: entries[place]!,
        next: own === undefined ? GOES_ON : own.next,
        endedAs: own?.endedAs,
        beside: own?.beside,
      },
    ];
  });
}
