import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { ChaosService, ChaosWriter } from './chaos-service.ts';
import type { Acknowledged } from './ledger.ts';

const KEYS = 5;
const WAIT_MS = 20_000;

/** Writes to a service for as long as it is told to, and kills it. What is acknowledged is what the service answered. */
export class ServiceWriter {
  readonly service: ChaosService;
  readonly acknowledged: Acknowledged[];
  readonly #random: Random;
  readonly #pauseMs: number;
  readonly #places = new Map<string, number>();
  #isOver = false;
  #writing: Promise<void> | undefined;
  #killed: Promise<void> | undefined;
  kills = 0;

  /** `pauseMs`: at most so long between two. */
  constructor(service: ChaosService, random: Random, pauseMs: number) {
    this.service = service;
    this.#random = random;
    this.#pauseMs = pauseMs;
    this.acknowledged = [...service.existing];
  }

  begin(): void {
    this.#writing = this.#write();
  }

  /** Resolves when the service is there again. One that is just coming is not killed once more. */
  kill(): Promise<void> {
    this.#killed ??= this.#killOnce().finally(() => {
      this.#killed = undefined;
    });
    return this.#killed;
  }

  async #killOnce(): Promise<void> {
    this.kills += 1;
    await this.service.kill();
    await this.service.open();
  }

  /** Writes no more. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#writing;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.service.remove();
  }

  /** What got no answer is nobody's promise: it may be there. */
  async #write(): Promise<void> {
    for (let number = 1; !this.#isOver; ) {
      try {
        const writer = await this.service.writer();
        try {
          for (; !this.#isOver; number += 1) await this.#writeOne(writer, number);
        } finally {
          number += 1;
          void writer.end().catch(() => {});
        }
      } catch {
        await delay(25);
      }
    }
  }

  async #writeOne(writer: ChaosWriter, number: number): Promise<void> {
    const key = `r${Math.floor(this.#random.fraction() * KEYS)}`;
    const place = (this.#places.get(key) ?? 0) + 1;
    this.#places.set(key, place);
    const entry = { id: `new${number}`, key, place };
    const late = Promise.withResolvers<never>();
    const timer = systemClock.after(WAIT_MS, () => late.reject(new Error('no answer')));
    try {
      await Promise.race([writer.write(entry), late.promise]);
    } finally {
      timer.cancel();
    }
    this.acknowledged.push(entry);
    await delay(this.#random.fraction() * this.#pauseMs);
  }
}
