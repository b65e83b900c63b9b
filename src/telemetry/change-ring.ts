import type { Clock } from '../base/clock.ts';
import { type Change, CHANGED_EXECUTIONS_MAX, type Changes, type ChangeTopic } from '../ports/changes.ts';

/** Changes within this time are one notice, in milliseconds. */
export const NOTICE_MS = 100;
/** Notices that are kept: at least 50 seconds. */
export const NOTICES_MAX = 512;

/** The notices of one platform. Nothing is done while nothing changes. */
export function createChangeRing(clock: Clock): Changes {
  const listeners = new Set<() => void>();
  const ring: Change[] = [];
  let newest = 0;
  let gathered: Gathered | undefined;
  const tell = (): void => {
    ring.push(gathered!.change());
    gathered = undefined;
    newest += 1;
    if (ring.length > NOTICES_MAX) ring.shift();
    for (const listener of listeners) listener();
  };
  return {
    note(topic, id) {
      if (gathered === undefined) {
        gathered = new Gathered();
        clock.after(NOTICE_MS, tell);
      }
      gathered.add(topic, id);
    },
    get newest() {
      return newest;
    },
    since(place) {
      const missed = newest - place;
      if (missed > ring.length || missed < 0) return undefined;
      const all = new Gathered();
      for (const change of ring.slice(ring.length - missed)) all.merge(change);
      return all.change();
    },
    onNotice(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

class Gathered {
  readonly #topics = new Set<ChangeTopic>();
  readonly #executions = new Set<string>();
  #tooMany = false;

  add(topic: ChangeTopic, id?: string): void {
    this.#topics.add(topic);
    if (topic !== 'executions') return;
    if (id === undefined || this.#executions.size >= CHANGED_EXECUTIONS_MAX) this.#tooMany = true;
    else this.#executions.add(id);
  }

  merge({ topics, executions }: Change): void {
    for (const topic of topics) if (topic !== 'executions') this.add(topic);
    if (!topics.includes('executions')) return;
    if (executions === undefined) this.add('executions');
    else for (const id of executions) this.add('executions', id);
  }

  change(): Change {
    const named = this.#topics.has('executions') && !this.#tooMany;
    return { topics: [...this.#topics], ...(named ? { executions: [...this.#executions] } : {}) };
  }
}
