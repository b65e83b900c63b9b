import type { ExecutionStep } from '../ports/execution-steps.ts';
import type { WorkflowGraph } from '../ports/workflow-graph.ts';

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

  /** Adds what an execution did, or the beginning of it. Returns the place of each step, by its number. */
  add(steps: readonly ExecutionStep[], outcome: string | undefined): ReadonlyMap<number, string> {
    this.#executions += 1;
    this.#visit({ id: 'start', kind: 'start', label: 'start' });
    const placeOf = this.#placesOf(steps);
    const exits = this.#follow(steps, placeOf);
    if (outcome === undefined) return placeOf;
    const end = this.#visit({ id: `end ${outcome}`, kind: 'end', label: outcome });
    if (end !== undefined) for (const from of exits) this.#connect(from, end);
    return placeOf;
  }

  /** By the number of a step: the place that it belongs to. */
  #placesOf(steps: readonly ExecutionStep[]): ReadonlyMap<number, string> {
    const placeOf = new Map<number, string>();
    const branches = new Set<string>();
    for (const { step, parent, item, kind, name } of steps) {
      if (kind === 'retry') continue;
      const outer = parent === undefined ? '' : placeOf.get(parent);
      const within = outer === undefined ? undefined : this.#branchOf(steps[parent!], item, outer, branches);
      if (within === undefined) continue;
      const place = this.#visit({
        ...{ id: `${within}/${kind} ${name}`, kind, label: labelOf(kind, name) },
        ...(within === '' ? {} : { parent: within }),
      });
      if (place !== undefined) placeOf.set(step, place);
    }
    return placeOf;
  }

  /** Branches of a parallel are code of their own and so places; items of a map all go through the same code. */
  #branchOf(
    scope: ExecutionStep | undefined,
    item: number | undefined,
    outer: string,
    known: Set<string>,
  ): string | undefined {
    if (scope === undefined || item === undefined || !isParallel(scope)) return outer;
    const id = `${outer}/branch ${item}`;
    const of = strandOf(scope.step, item);
    if (known.has(of)) return this.#places.has(id) ? id : undefined;
    known.add(of);
    const own = this.#visit({ id, kind: 'branch', label: `branch ${item}`, parent: outer });
    if (own !== undefined) this.#connect(outer, own);
    return own;
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
    /** By scope and item of it: what the next step there follows, and whether one began since something ended. */
    const fronts = new Map<string, Front>();
    const within = new Map<number, Front[]>();
    const frontOf = ({ parent, item }: { readonly parent?: number; readonly item?: number }): Front => {
      const strand = strandOf(parent, item);
      const known = fronts.get(strand);
      if (known !== undefined) return known;
      const outer = parent === undefined ? 'start' : placeOf.get(parent);
      const branch = `${outer}/branch ${item}`;
      const own = this.#places.has(branch) ? branch : outer;
      const front = { latest: own === undefined ? [] : [own], begun: false };
      fronts.set(strand, front);
      if (parent !== undefined) within.set(parent, [...(within.get(parent) ?? []), front]);
      return front;
    };
    for (const { step, ends } of momentsOf(steps)) {
      const own = placeOf.get(step.step);
      if (own === undefined) continue;
      const front = frontOf(step);
      if (!ends) {
        for (const from of front.latest) this.#connect(from, own);
        front.begun = true;
        continue;
      }
      // What follows a scope follows what ended last in it, in each of its strands.
      const exits = within.get(step.step)?.flatMap(({ latest }) => latest) ?? [own];
      front.latest = front.begun ? exits : [...front.latest, ...exits];
      front.latest = [...new Set(front.latest)];
      front.begun = false;
    }
    return frontOf({}).latest;
  }
}

interface Front {
  latest: readonly string[];
  begun: boolean;
}

function strandOf(scope: number | undefined, item: number | undefined): string {
  return `${scope ?? ''} ${item ?? ''}`;
}

function isParallel({ kind, name }: ExecutionStep): boolean {
  return kind === 'scope' && /^parallel(?: |$)/.test(name);
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
