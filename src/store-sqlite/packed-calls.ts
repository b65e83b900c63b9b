import type { Answer, Request } from './group-commit.ts';
import { packTransitions, unpackTransitions } from './packed-transitions.ts';

/*
 * What the threads send each other. An object costs both of them several times what its values do in columns, so calls
 * that come by the ten thousand a second travel as columns: those of one operation that follow each other in a turn.
 * Answers that say no more than yes are a list of whom they are for.
 */

/** Calls of one operation whose ids count up from `first`. */
export interface PackedRequests {
  readonly name: string;
  readonly first: number;
  readonly packed: unknown;
}

export type SentRequest = Request | PackedRequests;

export interface SentAnswers {
  /** Ids of requests whose answer is `true`. */
  readonly yes: readonly number[];
  readonly others: readonly Answer[];
}

/** How the calls of one operation become columns, and what was called again. */
interface Packing {
  pack(calls: readonly (readonly unknown[])[]): unknown;
  unpack(packed: unknown): (readonly unknown[])[];
}

const PACKINGS: Readonly<Record<string, Packing>> = {
  'journal.append': { pack: packTransitions, unpack: unpackTransitions } as Packing,
};

/** Keeps the order. Ids count up by one from request to request. */
export function packRequests(requests: readonly Request[]): SentRequest[] {
  const sent: SentRequest[] = [];
  for (let at = 0; at < requests.length; ) {
    const { id, name } = requests[at]!;
    const packing = PACKINGS[name];
    if (packing === undefined) {
      sent.push(requests[at]!);
      at += 1;
      continue;
    }
    let end = at + 1;
    while (end < requests.length && requests[end]!.name === name) end += 1;
    const packed = packing.pack(requests.slice(at, end).map(({ args }) => args));
    sent.push({ name, first: id, packed });
    at = end;
  }
  return sent;
}

/** Puts what was sent behind what is there already. */
export function unpackRequests(sent: readonly SentRequest[], into: Request[]): void {
  for (const each of sent) {
    if ('id' in each) into.push(each);
    else {
      const { name, first, packed } = each;
      for (const [place, args] of PACKINGS[name]!.unpack(packed).entries())
        into.push({ id: first + place, name, args });
    }
  }
}

export function packAnswers(answers: readonly Answer[]): SentAnswers {
  const yes: number[] = [];
  const others: Answer[] = [];
  for (const answer of answers)
    if (answer.ok && answer.value === true) yes.push(answer.id);
    else others.push(answer);
  return { yes, others };
}
