import type { Clock, Timer } from '../base/clock.ts';
import type { InstanceId, MintUuid } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { FRAME, FrameParser } from '../model/frames.ts';
import type { Sandbox, SandboxListener, SandboxProcess, SandboxSpec } from '../ports/sandbox.ts';

/*
 * Processes that have been started before anybody needs them: contained already, with their language's runtime loaded,
 * and without code. A start that finds one waiting only has to give it the code, which takes a tenth of the time. A
 * process serves the version that it was given to, and ends with it.
 *
 * How many wait follows demand: as many as starts of that kind were asked for lately, at least one for each of the
 * kinds in use, within what the node may spend on it. They are made one at a time, when nothing else is starting, of what
 * processor time others leave.
 */

/** What processes that can stand in for each other have in common: all of a spec but the code. */
export type ProcessKind = Omit<SandboxSpec, 'codeDir'>;

export interface PrewarmLimits {
  /** Waiting processes on this node. 0: none. */
  readonly waitingMax: number;
  /** Kinds of which at least one process waits. */
  readonly kindsMax: number;
}

/** The starts of this long are what demand is: bursts come again. */
const DEMAND_MS = 60_000;
/** What was only foreseen, as by a deploy of many functions, counts as demand up to this many. */
const FORESEEN_MAX = 32;
/** A kind that nobody asked for in this time keeps no process. */
const FORGET_MS = 1_800_000;
/** After a start, so that making its successor does not slow down the start itself. */
const REFILL_DELAY_MS = 30;
/** A process that has not loaded its runtime by then is ended: the next one is made only after it. */
const LOAD_MS_MAX = 20_000;
/** After a process that could not be made, or that ended while it waited; doubled with each further one. */
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;

interface PrewarmOptions {
  readonly sandbox: Sandbox;
  readonly clock: Clock;
  readonly log: Log;
  readonly mintInstanceId: MintUuid;
  readonly limits: PrewarmLimits;
  /** Whether instances are being started for calls just now. */
  isBusy(): boolean;
}

interface Kind {
  readonly spec: ProcessKind;
  readonly waiting: WaitingProcess[];
  /** When starts of this kind were asked for, monotonic; the latest last. */
  asked: number[];
  retryMs: number;
  retryAtMs: number;
}

/** A process without code. It must say nothing but WAITING until it is handed over. */
export class WaitingProcess implements SandboxListener {
  process: SandboxProcess | undefined;
  isLoaded = false;
  #hasEnded = false;
  readonly #onChange: (waiting: WaitingProcess, alive: boolean) => void;
  #heir: SandboxListener | undefined;
  readonly #parser = new FrameParser((kind, _flags, stream) => {
    if (kind === FRAME.WAITING && stream === 0) this.#loaded();
    else this.process?.kill();
  });

  constructor(onChange: (waiting: WaitingProcess, alive: boolean) => void) {
    this.#onChange = onChange;
  }

  /** What it says from now on goes to `heir`. `undefined`: it has ended. */
  handOver(heir: SandboxListener): SandboxProcess | undefined {
    if (this.#hasEnded) return undefined;
    this.#heir = heir;
    return this.process;
  }

  onData(chunk: Buffer): void {
    if (this.#heir !== undefined) this.#heir.onData(chunk);
    else if (!this.#parser.push(chunk)) this.process?.kill();
  }

  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#heir?.onOutput(stream, chunk);
  }

  onExit(exit: Parameters<SandboxListener['onExit']>[0]): void {
    this.#hasEnded = true;
    if (this.#heir !== undefined) this.#heir.onExit(exit);
    else this.#onChange(this, false);
  }

  #loaded(): void {
    this.isLoaded = true;
    this.#onChange(this, true);
  }
}

export class Prewarm {
  readonly #options: PrewarmOptions;
  readonly #kinds = new Map<string, Kind>();
  #making: Kind | undefined;
  #timer: Timer | undefined;
  #dueMs = 0;
  #closed = false;

  constructor(options: PrewarmOptions) {
    this.#options = options;
  }

  /** Processes that wait, those still loading included. */
  get size(): number {
    let size = 0;
    for (const kind of this.#kinds.values()) size += kind.waiting.length;
    return size;
  }

  /** Says that a process of this kind may soon be wanted. */
  foresee(spec: ProcessKind): void {
    this.#ask(spec, false);
    this.#refillLater();
  }

  /** A waiting process for a start that happens now; `undefined`: there is none. */
  take(spec: ProcessKind): WaitingProcess | undefined {
    const kind = this.#ask(spec, true);
    this.#refillLater();
    const { waiting } = kind;
    // One that is nearly there still beats one that is not begun.
    const place = Math.max(
      waiting.findIndex((each) => each.isLoaded),
      waiting.findIndex((each) => each.process !== undefined),
    );
    const taken = place < 0 ? undefined : waiting.splice(place, 1)[0];
    if (taken?.isLoaded === false && this.#making === kind) this.#making = undefined;
    return taken;
  }

  /** Ends all that wait, for memory that others need; they are made anew as they are asked for. */
  giveUp(): void {
    for (const key of [...this.#kinds.keys()]) this.#drop(key);
  }

  /** Ends all that wait. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { waiting } of this.#kinds.values()) for (const each of waiting) each.process?.kill();
  }

  #ask(spec: ProcessKind, isStart: boolean): Kind {
    const key = JSON.stringify(spec);
    const known = this.#kinds.get(key);
    const kind = known ?? { spec, waiting: [], asked: [], retryMs: 0, retryAtMs: 0 };
    if (isStart || kind.asked.length < FORESEEN_MAX) {
      kind.asked.push(this.#options.clock.monotonicMs());
      if (kind.asked.length > this.#options.limits.waitingMax) kind.asked.shift();
    }
    // Kept in the order of their last use: the first is the one to give up.
    this.#kinds.delete(key);
    this.#kinds.set(key, kind);
    if (this.#kinds.size > this.#options.limits.kindsMax) this.#drop(this.#kinds.keys().next().value!);
    return kind;
  }

  #drop(key: string): void {
    const kind = this.#kinds.get(key);
    this.#kinds.delete(key);
    // One that is just being started ends as soon as it is there.
    if (kind !== undefined) this.#shrink(kind, 0);
  }

  #refillLater(delayMs = REFILL_DELAY_MS): void {
    if (this.#closed || this.#options.limits.waitingMax === 0) return;
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#refill();
    });
  }

  #refill(): void {
    if (this.#closed || this.#making !== undefined) return;
    if (this.#options.isBusy()) {
      this.#refillLater();
      return;
    }
    const nowMs = this.#options.clock.monotonicMs();
    let wakeMs = Number.POSITIVE_INFINITY;
    // The latest used first.
    for (const [key, kind] of [...this.#kinds].reverse()) {
      const lastMs = kind.asked.at(-1) ?? 0;
      if (nowMs - lastMs > FORGET_MS) {
        this.#drop(key);
        continue;
      }
      wakeMs = Math.min(wakeMs, lastMs + FORGET_MS + 1);
      const wanted = Math.max(1, kind.asked.filter((atMs) => nowMs - atMs < DEMAND_MS).length);
      if (kind.waiting.length > wanted) this.#shrink(kind, wanted);
      if (kind.waiting.length > 1) wakeMs = Math.min(wakeMs, nowMs + DEMAND_MS);
      if (kind.waiting.length >= wanted || this.size >= this.#options.limits.waitingMax) continue;
      if (nowMs >= kind.retryAtMs) {
        void this.#make(kind);
        return;
      }
      wakeMs = Math.min(wakeMs, kind.retryAtMs);
    }
    if (wakeMs < Number.POSITIVE_INFINITY) this.#refillLater(Math.max(1, wakeMs - nowMs));
  }

  #shrink(kind: Kind, wanted: number): void {
    for (const surplus of kind.waiting.splice(wanted)) surplus.process?.kill();
  }

  async #make(kind: Kind): Promise<void> {
    const { sandbox, clock, mintInstanceId, log } = this.#options;
    this.#making = kind;
    const late = clock.after(LOAD_MS_MAX, () => {
      if (kind.waiting.includes(waiting)) waiting.process?.kill();
    });
    const waiting = new WaitingProcess((which, alive) => {
      late.cancel();
      if (this.#making === kind) this.#making = undefined;
      const place = kind.waiting.indexOf(which);
      if (alive) kind.retryMs = 0;
      else if (place >= 0) {
        kind.waiting.splice(place, 1);
        this.#postpone(kind);
      }
      this.#refillLater();
    });
    kind.waiting.push(waiting);
    try {
      const id = mintInstanceId() as InstanceId;
      waiting.process = await sandbox.start(id, { ...kind.spec, codeDir: undefined }, waiting);
      // It may no longer be wanted.
      if (this.#closed || !kind.waiting.includes(waiting)) waiting.process.kill();
    } catch (error) {
      late.cancel();
      log.warn('a process could not be started ahead of need', { error: String(error) });
      if (this.#making === kind) this.#making = undefined;
      const place = kind.waiting.indexOf(waiting);
      if (place >= 0) kind.waiting.splice(place, 1);
      this.#postpone(kind);
      this.#refillLater();
    }
  }

  #postpone(kind: Kind): void {
    kind.retryMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_FIRST_MS, kind.retryMs * 2));
    kind.retryAtMs = this.#options.clock.monotonicMs() + kind.retryMs;
  }
}
