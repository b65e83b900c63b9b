/**
 * The real engine and the real runtime of durable code over time, disk and processes that a seed decides about:
 * thousands of executions go through crashes, pauses, slow disks, duplicate wake-ups and late answers in seconds.
 * The same seed is the same run, event by event.
 *
 * After each event the invariants hold: journals fold; an attempt of a step begins only once it is recorded, and never
 * after the step's result is; of two holders of one execution only one gets on. At the end every execution is final,
 * its output is what its plan says, and every signal that was accepted is in its journal once.
 */
import { atEndOfTurn } from '../src/base/clock.ts';
import { createUuidMinter, type ExecutionId, type MintUuid } from '../src/base/ids.ts';
import { createSeededRandom, type Random } from '../src/base/random.ts';
import type { AppName } from '../src/model/function.ts';
import { mintSeed } from '../src/workflows/transition.ts';
import { Invariants } from './invariants.ts';
import { MemoryJournal, type PlantedFaults } from './memory-journal.ts';
import { expectedOutput, type PlanInput } from './plan.ts';
import { SimClock } from './sim-clock.ts';
import { SimNode, type World } from './sim-node.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly executions: number;
  /** Events until a simulation is given up: it goes round in circles. */
  readonly eventsMax?: number;
  /** Faults put in on purpose. */
  readonly planted?: PlantedFaults & {
    /** The disk says that it has written before it has. */
    readonly earlyAcknowledge?: boolean;
  };
}

export interface SimulationReport {
  readonly seed: number;
  readonly executions: number;
  readonly events: number;
  readonly crashes: number;
  readonly pauses: number;
  readonly steps: number;
  readonly repeatedSteps: number;
  /** Simulated milliseconds. */
  readonly simulatedMs: number;
  /** What did not hold; empty when all is well. */
  readonly violations: readonly string[];
}

/** Inboxes are looked at once in so many events. */
const LOOK_EVENTS = 10;
const EVENTS_MAX = 3_000_000;
/** Crashes come this often for a time, while nearly all executions are under way; later they are rarer. */
const CRASH_MS_MAX = 4_000;
const ROUGH_MS = 60_000;
const CALM_CRASH_MS_MAX = 600_000;

class Simulation implements World {
  readonly clock = new SimClock();
  readonly random: Random;
  readonly mintUuid: MintUuid;
  readonly journal: MemoryJournal;
  readonly invariants: Invariants;
  readonly earlyAcknowledge: boolean;
  readonly #options: SimulationOptions;
  readonly #deferred: (() => void)[] = [];
  readonly #zombies: SimNode[] = [];
  readonly #startMs: number;
  #node: SimNode;
  #crashes = 0;
  #pauses = 0;
  #events = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#startMs = this.clock.nowMs();
    this.random = createSeededRandom(options.seed);
    this.mintUuid = createUuidMinter(this.clock, this.random);
    this.journal = new MemoryJournal(options.planted);
    this.invariants = new Invariants(this.journal);
    this.earlyAcknowledge = options.planted?.earlyAcknowledge === true;
    this.#node = new SimNode(this);
  }

  between(from: number, to: number): number {
    return from + this.random.fraction() * (to - from);
  }

  chance(share: number): boolean {
    return this.random.fraction() < share;
  }

  defer(task: () => void): void {
    this.#deferred.push(task);
  }

  async run(): Promise<SimulationReport> {
    this.#node.start();
    this.#startAll();
    this.#scheduleTrouble();
    const eventsMax = this.#options.eventsMax ?? EVENTS_MAX;
    while (this.invariants.violations.length === 0 && this.#events < eventsMax) {
      await this.#settle();
      if (this.invariants.allFinal(this.#options.executions)) break;
      this.#events += 1;
      if (this.#events % LOOK_EVENTS === 0) this.invariants.checkInboxes(this.clock.nowMs());
      if (!this.clock.step()) {
        this.invariants.violate(`nothing is left that could happen; ${this.invariants.describeOpen()}`);
        break;
      }
    }
    if (this.#events >= eventsMax)
      this.invariants.violate(`no end after ${eventsMax} events; ${this.invariants.describeOpen()}`);
    this.invariants.checkEnd();
    const { seed, executions } = this.#options;
    return {
      seed,
      executions,
      events: this.#events,
      crashes: this.#crashes,
      pauses: this.#pauses,
      steps: this.invariants.steps,
      repeatedSteps: this.invariants.repeatedSteps,
      simulatedMs: this.clock.nowMs() - this.#startMs,
      violations: this.invariants.violations,
    };
  }

  /** Lets everything happen that needs no time. */
  async #settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => atEndOfTurn(resolve));
      const tasks = this.#deferred.splice(0);
      if (tasks.length === 0) return;
      for (const task of tasks) task();
    }
  }

  #startAll(): void {
    for (let place = 0; place < this.#options.executions; place += 1)
      this.clock.after(this.between(0, 5_000), () => void this.#startOne(place, 0));
  }

  async #startOne(place: number, tries: number): Promise<void> {
    const input: PlanInput = { seed: (this.#options.seed * 1_000_003 + place) >>> 0, depth: 0 };
    const id = this.mintUuid() as ExecutionId;
    const key = `start-${place}`;
    const outcome = await this.#node.create({
      id,
      app: 'sim' as AppName,
      workflow: 'plan',
      kind: 'code',
      version: 'v1',
      deployment: 1,
      entries: [
        { kind: 'started', atMs: this.clock.nowMs(), seed: mintSeed(this.random), input: { json: input } },
      ],
      priority: Math.floor(this.between(-2, 3)),
      parent: undefined,
      expiresMs: undefined,
      idempotency: { key, fingerprint: 'same' },
      ...(place % 3 === 0 ? { concurrency: { key: `lane-${place % 12}`, limit: 5 } } : {}),
    });
    // The node crashed meanwhile: whoever asked asks again, as the key allows.
    if (outcome === undefined) {
      this.clock.after(this.between(10, 500), () => void this.#startOne(place, tries + 1));
      return;
    }
    this.invariants.expect(outcome.id, expectedOutput(input));
    // In the rough time and after it, where no crash makes good what was missed.
    for (let count = 0; count < 4; count += 1) {
      const delayMs = this.between(0, count < 2 ? 20_000 : 900_000);
      this.clock.after(delayMs, () => void this.#signal(outcome.id, `${place}-${count}`));
      this.clock.after(
        delayMs + this.between(0, 4),
        () => void this.#signal(outcome.id, `${place}-${count}b`),
      );
    }
  }

  async #signal(id: ExecutionId, mark: string): Promise<void> {
    const outcome = await this.#node.deliver(id, { kind: 'signal', name: 'poke', input: { json: mark } });
    if (outcome?.status === 'delivered') this.invariants.signalled(id, mark);
  }

  #scheduleTrouble(): void {
    const early = this.clock.nowMs() - this.#startMs < ROUGH_MS;
    this.clock.after(this.between(50, early ? CRASH_MS_MAX : CALM_CRASH_MS_MAX), () => {
      if (this.chance(0.3)) this.#pause();
      else this.#crash();
      this.#scheduleTrouble();
    });
    // Wake-ups that nobody needs.
    this.clock.after(this.between(1, 300), () => this.#node.wake());
  }

  #crash(): void {
    this.#crashes += 1;
    this.#node.crash();
    this.#node = new SimNode(this);
    this.clock.after(this.between(1, 200), () => this.#node.start());
  }

  /** The node is taken for dead while it lives on: what it still does must not count. */
  #pause(): void {
    this.#pauses += 1;
    const zombie = this.#node;
    this.#zombies.push(zombie);
    this.clock.after(this.between(100, 3_000), () => zombie.crash());
    this.#node = new SimNode(this);
    this.#node.start();
  }
}

export function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return new Simulation(options).run();
}
