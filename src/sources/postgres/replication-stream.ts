import type { Client, Connection } from 'pg';
import type { Clock, Timer } from '../../base/clock.ts';
import { readCopyFrames } from './copy-frames.ts';
import { formatLsn, quoteName } from './table-setup.ts';

/** How often the server is told where we are, and asked for a sign of life. Its own limit is wal_sender_timeout, 60 s. */
const STATUS_MS = 10_000;
/** A server that says nothing for so long is gone. */
const SILENCE_MS_MAX = 60_000;
/** PostgreSQL's epoch, 2000-01-01. */
const POSTGRES_EPOCH_MS = 946_684_800_000;

const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
/** Where in the log, where its end was, and when: before the message itself. */
const XLOG_HEADER_BYTES = 24;

/** Of the package, but not in its types. */
interface CopySender {
  sendCopyFromChunk(chunk: Buffer): void;
}

export interface StreamHandler {
  /** A message of the plugin: there from `start` to `end` until the call returns. */
  data(bytes: Buffer, start: number, end: number): void;
  /** Everything up to here was sent. */
  reached(lsn: bigint): void;
  /** The end, however it comes; at most once. */
  lost(error: unknown): void;
}

/**
 * The stream of changes of one slot, with its acknowledgement. What is confirmed is what `confirm` was told and nothing
 * else: timers and keepalives repeat it, and never move it.
 */
export class ReplicationStream {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #handler: StreamHandler;
  #confirmed: bigint;
  #heardMs = 0;
  #timer: Timer | undefined;
  #isPaused = false;

  constructor(client: Client, clock: Clock, handler: StreamHandler, from: bigint) {
    this.#client = client;
    this.#clock = clock;
    this.#handler = handler;
    this.#confirmed = from;
  }

  start(slot: string, publication: string): void {
    const { stream } = this.#client.connection;
    this.#heardMs = this.#clock.monotonicMs();
    readCopyFrames(stream, {
      heard: () => {
        this.#heardMs = this.#clock.monotonicMs();
      },
      data: (bytes, start, end) => this.#receive(bytes, start, end),
      failed: (error) => {
        this.close();
        this.#handler.lost(error);
      },
    });
    this.#timer = this.#clock.every(STATUS_MS, () => this.#look());
    const names = quoteName(publication).replaceAll("'", "''");
    const options = `proto_version '1', publication_names '${names}', messages 'true'`;
    this.#client
      .query(`START_REPLICATION SLOT ${quoteName(slot)} LOGICAL ${formatLsn(this.#confirmed)} (${options})`)
      .then(
        () => this.#handler.lost(new Error('the server ended the stream')),
        (error: unknown) => this.#handler.lost(error),
      );
  }

  /** All up to here is stored: the server may forget it. */
  confirm(lsn: bigint): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    this.#send(false);
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#client.connection.stream.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#heardMs = this.#clock.monotonicMs();
    this.#client.connection.stream.resume();
  }

  close(): void {
    this.#timer?.cancel();
    this.#client.connection.stream.destroy();
  }

  #receive(bytes: Buffer, start: number, end: number): void {
    const at = start + 1;
    switch (bytes[start]) {
      case XLOG_DATA:
        this.#handler.data(bytes, at + XLOG_HEADER_BYTES, end);
        return;
      case KEEPALIVE:
        this.#handler.reached(bytes.readBigUInt64BE(at));
        if (bytes.readUInt8(at + 16) === 1) this.#send(false);
        return;
      default:
        throw new RangeError('a replication message of unknown kind');
    }
  }

  #look(): void {
    if (!this.#isPaused && this.#clock.monotonicMs() - this.#heardMs > SILENCE_MS_MAX) {
      this.close();
      this.#handler.lost(new Error(`the database said nothing for ${SILENCE_MS_MAX / 1_000} s`));
      return;
    }
    this.#send(true);
  }

  /** Standby status update: written, flushed and applied are the same to us. */
  #send(asksForReply: boolean): void {
    const bytes = Buffer.alloc(34);
    bytes.write('r');
    for (const at of [1, 9, 17]) bytes.writeBigUInt64BE(this.#confirmed, at);
    bytes.writeBigInt64BE(BigInt(Math.trunc(this.#clock.nowMs()) - POSTGRES_EPOCH_MS) * 1_000n, 25);
    bytes.writeUInt8(asksForReply ? 1 : 0, 33);
    const connection = this.#client.connection as Connection & CopySender;
    if (connection.stream.writable) connection.sendCopyFromChunk(bytes);
  }
}
