import { systemClock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { BINARY_LOG, MariaDbServer } from '../mariadb-server.ts';
import type { Acknowledged } from './ledger.ts';

const KEYS = 5;
const WAIT_MS = 20_000;

/** A MariaDB whose rows run a function, and that is killed as well. What it acknowledges is a commit that it answered. */
export class RowWriter {
  readonly acknowledged: Acknowledged[] = [];
  readonly #server: MariaDbServer;
  readonly #random: Random;
  readonly #places = new Map<string, number>();
  #isOver = false;
  #writing: Promise<void> | undefined;
  kills = 0;

  private constructor(server: MariaDbServer, random: Random) {
    this.#server = server;
    this.#random = random;
  }

  static async start(random: Random): Promise<RowWriter> {
    const server = await MariaDbServer.start(BINARY_LOG, 'chaos');
    await server.sql('CREATE TABLE changes (id varchar(20) PRIMARY KEY, name varchar(20), place int)');
    return new RowWriter(server, random);
  }

  get url(): string {
    return this.#server.url;
  }

  begin(): void {
    this.#writing = this.#write();
  }

  async kill(): Promise<void> {
    this.kills += 1;
    await this.#server.kill();
    await this.#server.open();
  }

  /** Writes no more. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#writing;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#server.remove();
  }

  /** A commit without an answer is nobody's promise: its row may be there. */
  async #write(): Promise<void> {
    for (let number = 1; !this.#isOver; ) {
      try {
        const writer = await this.#server.writer();
        try {
          for (; !this.#isOver; number += 1) await this.#insert(writer.write, number);
        } finally {
          number += 1;
          void writer.end().catch(() => {});
        }
      } catch {
        await new Promise<void>((resolve) => systemClock.after(25, resolve));
      }
    }
  }

  async #insert(write: (sql: string) => Promise<void>, number: number): Promise<void> {
    const key = `r${Math.floor(this.#random.fraction() * KEYS)}`;
    const place = (this.#places.get(key) ?? 0) + 1;
    this.#places.set(key, place);
    const id = `row${number}`;
    const late = Promise.withResolvers<never>();
    const timer = systemClock.after(WAIT_MS, () => late.reject(new Error('no answer')));
    try {
      await Promise.race([write(`INSERT INTO changes VALUES ('${id}', '${key}', ${place})`), late.promise]);
    } finally {
      timer.cancel();
    }
    this.acknowledged.push({ id, key, place });
    await new Promise<void>((resolve) => systemClock.after(this.#random.fraction() * 20, resolve));
  }
}
