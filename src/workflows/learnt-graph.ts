import type { JournalEntry } from '../model/journal.ts';
import type { ExecutionStep } from '../ports/execution-steps.ts';
import type { WorkflowGraph } from '../ports/workflow-graph.ts';
import { CodeSteps } from './code-steps.ts';

/** Places of one graph; more are counted and left out. */
const PLACES_MAX = 300;

interface Place {
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  readonly parent?: string;
  count: number;
}

/** What durable code does, from histories that are laid over each other: what ended before a step began leads to it. */
export class LearntGraph {
  readonly #places = new Map<string, Place>();
  readonly #edges = new Map<string, { readonly from: string; readonly to: string; count: number }>();
  readonly #left = new Set<string>();
  #executions = 0;

  graph(): WorkflowGraph {
    return {
      source: 'executions',
      executions: this.#executions,
      nodes: [...this.#places.values()],
      edges: [...this.#edges.values()],
      left: this.#left.size,
    };
  }

  /** Adds a history, or its beginning. */
  add(entries: readonly JournalEntry[]): void {
    const fold = new CodeSteps();
    for (const [place, entry] of entries.entries()) fold.take(entry, place);
    this.#executions += 1;
    this.#visit({ id: 'start', kind: 'start', label: 'start' });
    const steps = fold.steps.filter(({ kind }) => kind !== 'retry');
    const exits = this.#follow(steps, this.#placesOf(steps));
    const last = entries.at(-1);
    if (last?.kind !== 'ended') return;
    const { status } = last.outcome;
    const end = this.#visit({ id: `end ${status}`, kind: 'end', label: status });
    if (end !== undefined) for (const from of exits) this.#connect(from, end);
  }

  /** By the number of a step: the place that it belongs to. */
  #placesOf(steps: readonly ExecutionStep[]): ReadonlyMap<number, string> {
    const placeOf = new Map<number, string>();
    for (const { step, parent, kind, name } of steps) {
      const within = parent === undefined ? '' : placeOf.get(parent);
      if (within === undefined) continue;
      const place = this.#visit({
        ...{ id: `${within}/${kind} ${name}`, kind, label: labelOf(kind, name) },
        ...(within === '' ? {} : { parent: within }),
      });
      if (place !== undefined) placeOf.set(step, place);
    }
    return placeOf;
  }

  #visit(place: Omit<Place, 'count'>): string | undefined {
    const known = this.#places.get(place.id);
    if (known !== undefined) known.count += 1;
    else if (this.#places.size < PLACES_MAX) this.#places.set(place.id, { ...place, count: 1 });
    else {
      this.#left.add(place.id);
      return undefined;
    }
    return place.id;
  }

  #connect(from: string, to: string): void {
    const key = `${from}\n${to}`;
    const known = this.#edges.get(key);
    if (known === undefined) this.#edges.set(key, { from, to, count: 1 });
    else known.count += 1;
  }

  /** Returns what the end follows. */
  #follow(steps: readonly ExecutionStep[], placeOf: ReadonlyMap<number, string>): readonly string[] {
    /** By scope: what the next step within it follows, and whether one began since something ended. */
    const fronts = new Map<number | undefined, { latest: readonly string[]; begun: boolean }>();
    const frontOf = (scope: number | undefined) => {
      const known = fronts.get(scope);
      if (known !== undefined) return known;
      const own = scope === undefined ? 'start' : placeOf.get(scope);
      const front = { latest: own === undefined ? [] : [own], begun: false };
      fronts.set(scope, front);
      return front;
    };
    for (const { step, ends } of momentsOf(steps)) {
      const own = placeOf.get(step.step);
      if (own === undefined) continue;
      const front = frontOf(step.parent);
      if (!ends) {
        for (const from of front.latest) this.#connect(from, own);
        front.begun = true;
        continue;
      }
      // What follows a scope follows what ended last in it.
      const exits = fronts.get(step.step)?.latest ?? [own];
      front.latest = front.begun ? exits : [...new Set([...front.latest, ...exits])];
      front.begun = false;
    }
    return frontOf(undefined).latest;
  }
}

/** Beginnings and ends, in the order of the history. */
function momentsOf(steps: readonly ExecutionStep[]): { at: number; step: ExecutionStep; ends: boolean }[] {
  const moments = steps.flatMap((step) => [
    { at: step.firstEntry, step, ends: false },
    ...(step.lastEntry === undefined ? [] : [{ at: step.lastEntry, step, ends: true }]),
  ]);
  return moments.sort((a, b) => a.at - b.at || a.step.step - b.step.step);
}

function labelOf(kind: string, name: string): string {
  if (kind === 'step' || kind === 'scope' || kind === 'resource') return name;
  // Sleeps and callbacks without a name are called as their kind.
  return (kind === 'sleep' || kind === 'callback') && name === kind ? kind : `${kind} ${name}`;
}
