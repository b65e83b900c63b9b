import type { Connection } from 'mysql2/promise';
import type { Clock, Timer } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { RowStream } from '../rows/row-queue.ts';
import { Checksums } from './checksums.ts';
import { type Database, setupError } from './connect.ts';
import type { Place } from './transaction-reader.ts';

/** A server that has nothing to tell says so as often. */
const HEARTBEAT_MS = 10_000;
/** A server that says nothing for so long is gone. */
const SILENCE_MS_MAX = 60_000;

const COMMAND = { binlogDump: 0x12, registerReplica: 0x15, binlogDumpGtid: 0x1e } as const;
/** Of the dump: send the statements to which rows belong. */
const WITH_STATEMENTS = 2;
/** Of the dump by GTIDs: they are given. */
const BY_GTID = 4;
const FIRST_PLACE = 4;

/** Of a user that has logged in already: it lacks a right. */
const ACCESS_DENIED = 1_045;
/** "What you want is not in my log any more", or it never was. */
const BINLOG_LOST = 1_236;

export interface StreamHandler {
  /** One event, without what the protocol has before it and the checksum behind it. */
  event(bytes: Buffer): void;
  /** The end, however it comes; at most once. */
  lost(error: unknown): void;
}

/** Of the package, but not in its types. */
interface RawPacket {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
  isError(): boolean;
  isEOF(): boolean;
  asError(encoding: string): Error;
}
interface RawCommand {
  execute(packet: RawPacket | undefined, connection: RawConnection): boolean;
  onResult(error: Error): void;
}
interface RawConnection {
  addCommand(command: RawCommand): void;
  writePacket(packet: {
    readonly buffer: Buffer;
    length(): number;
    writeHeader(sequence: number): void;
  }): void;
  _resetSequenceId(): void;
  destroy(): void;
  /** The socket. Its own pause is used: that of the connection counts packets beyond 16 MiB wrongly. */
  readonly stream: { pause(): void; resume(): void };
}

export interface DumpRequest {
  readonly isMariaDb: boolean;
  /** Tells this reader from every other replica of the server. */
  readonly serverId: number;
  /** What was read already. */
  readonly gtids: string;
  /** … in the form of MySQL's command; `undefined` for MariaDB. */
  readonly gtidBytes: Buffer | undefined;
}

/** The binary log of a server from a place on. The server wants no acknowledgement: where we are, we alone know. */
export class BinlogStream implements RowStream<Place> {
  readonly #database: Database;
  readonly #connection: RawConnection;
  readonly #clock: Clock;
  readonly #handler: StreamHandler;
  readonly #checksums = new Checksums();
  #heardMs: number;
  #timer: Timer | undefined;
  #isPaused = false;
  #isClosed = false;

  constructor(database: Database, clock: Clock, handler: StreamHandler) {
    this.#database = database;
    this.#connection = rawOf(database);
    this.#clock = clock;
    this.#handler = handler;
    this.#heardMs = clock.monotonicMs();
  }

  async start(request: DumpRequest): Promise<void> {
    const { serverId, isMariaDb } = request;
    // Without that, the server takes us for one that does not know of checksums, and sends nothing.
    await this.#database.query(
      'SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum',
    );
    const heartbeat = HEARTBEAT_MS * 1_000_000;
    await this.#database.query(
      `SET @master_heartbeat_period = ${heartbeat}, @source_heartbeat_period = ${heartbeat}`,
    );
    if (isMariaDb)
      await this.#database.query(
        `SET @mariadb_slave_capability = 4, @slave_connect_state = ?,
          @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0`,
        [request.gtids],
      );
    await registerReplica(this.#database, serverId);
    this.#timer = this.#clock.every(HEARTBEAT_MS, () => this.#look());
    this.#dump(isMariaDb ? dumpCommand(serverId) : gtidDumpCommand(serverId, request.gtidBytes!));
  }

  confirm(): void {}

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#connection.stream.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#heardMs = this.#clock.monotonicMs();
    this.#connection.stream.resume();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#connection.destroy();
  }

  #dump(body: Buffer): void {
    send(
      this.#connection,
      body,
      (packet) => {
        if (this.#isClosed) return true;
        try {
          this.#receive(packet);
          return false;
        } catch (error) {
          this.close();
          this.#handler.lost(error);
          return true;
        }
      },
      this.#handler.lost,
    );
  }

  #receive(packet: RawPacket): void {
    this.#heardMs = this.#clock.monotonicMs();
    if (packet.isError()) throw refusalOf(packet.asError('utf8'));
    if (packet.isEOF()) throw new Error('the server ended the stream');
    this.#handler.event(this.#checksums.take(packet.buffer.subarray(packet.offset + 1, packet.end)));
  }

  #look(): void {
    if (this.#isPaused || this.#clock.monotonicMs() - this.#heardMs <= SILENCE_MS_MAX) return;
    this.close();
    this.#handler.lost(new Error(`the database said nothing for ${SILENCE_MS_MAX / 1_000} s`));
  }
}

/** Says that a replica of this number comes; the server refuses whom it would send nothing. `E_SOURCE_SETUP`. */
export function registerReplica(database: Database, serverId: number): Promise<void> {
  const body = Buffer.alloc(18);
  body.writeUInt8(COMMAND.registerReplica);
  body.writeUInt32LE(serverId, 1);
  return new Promise((resolve, reject) => {
    const answer = (packet: RawPacket): boolean => {
      if (packet.isError()) reject(refusalOf(packet.asError('utf8')));
      else resolve();
      return true;
    };
    send(rawOf(database), body, answer, reject);
  });
}

function rawOf({ connection }: Database): RawConnection {
  return (connection as Connection & { connection: RawConnection }).connection;
}

/** `answer` says of each packet whether it is the command's last. */
function send(
  connection: RawConnection,
  body: Buffer,
  answer: (packet: RawPacket) => boolean,
  fail: (error: unknown) => void,
): void {
  const buffer = Buffer.concat([Buffer.alloc(4), body]);
  connection.addCommand({
    execute(packet, own) {
      if (packet !== undefined) return answer(packet);
      own._resetSequenceId();
      own.writePacket({
        buffer,
        length: () => body.length,
        writeHeader(sequence) {
          buffer.writeUIntLE(body.length, 0, 3);
          buffer.writeUInt8(sequence, 3);
        },
      });
      return false;
    },
    onResult: fail,
  });
}

function refusalOf(error: Error & { errno?: number }): Error {
  if (error.errno === ACCESS_DENIED)
    return setupError(
      `The user may not read the binary log (${error.message}).`,
      'As an administrator: GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO the user; on MySQL, REPLICATION SLAVE, REPLICATION CLIENT.',
    );
  if (error.errno !== BINLOG_LOST) return error;
  return new LambentError(
    'E_BINLOG_LOST',
    `The server does not have the changes any more that come next (${error.message}): they do not come as events.`,
  );
}

function dumpCommand(serverId: number): Buffer {
  const body = Buffer.alloc(11);
  body.writeUInt8(COMMAND.binlogDump);
  body.writeUInt32LE(FIRST_PLACE, 1);
  body.writeUInt16LE(WITH_STATEMENTS, 5);
  body.writeUInt32LE(serverId, 7);
  return body;
}

function gtidDumpCommand(serverId: number, gtids: Buffer): Buffer {
  const body = Buffer.alloc(23);
  body.writeUInt8(COMMAND.binlogDumpGtid);
  body.writeUInt16LE(BY_GTID, 1);
  body.writeUInt32LE(serverId, 3);
  body.writeUInt32LE(0, 7);
  body.writeBigUInt64LE(BigInt(FIRST_PLACE), 11);
  body.writeUInt32LE(gtids.length, 19);
  return Buffer.concat([body, gtids]);
}
