/** MariaDB as a private server of one test: its own folder and port, nothing of the machine's. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Connection, createConnection } from 'mysql2/promise';
import { type BrokerProgram, BrokerServer, missing } from './broker-servers.ts';
import { poll } from './process-table.ts';
import type { Writer } from './table-writer.ts';

const run = promisify(execFile);
/** Started by root it has to be told so; nobody else may be. */
const USER = process.getuid?.() === 0 ? ['--user=root'] : [];

/** What triggers on tables need. */
export const BINARY_LOG: readonly string[] = [
  ...['--log-bin=bin', '--server-id=1', '--binlog-format=ROW', '--binlog-row-metadata=FULL'],
  '--sync-binlog=1',
];

/** `settings`: further options of the server, such as `--log-bin`. */
function program(settings: readonly string[]): BrokerProgram {
  return {
    program: 'mariadbd',
    debian: 'mariadb-server',
    async prepare(folder) {
      await run('mariadb-install-db', [
        ...['--no-defaults', `--datadir=${folder}/data`, '--auth-root-authentication-method=normal'],
        ...['--skip-test-db', '--skip-name-resolve', ...USER],
      ]);
    },
    args: (folder, port) => [
      ...['--no-defaults', `--datadir=${folder}/data`, `--socket=${folder}/socket`, ...USER],
      ...[`--port=${port}`, '--bind-address=127.0.0.1', '--skip-name-resolve'],
      ...['--innodb-buffer-pool-size=16M', '--innodb-log-file-size=16M', ...settings],
    ],
  };
}

/** Why a test cannot have one here; `false`: it can. */
export const mariaDbMissing = (): Promise<string | false> => missing(program([]));

export class MariaDbServer {
  readonly #server: BrokerServer;
  readonly #database: string;

  private constructor(server: BrokerServer, database: string) {
    this.#server = server;
    this.#database = database;
  }

  /** A new server that runs, with one database. */
  static async start(settings: readonly string[] = [], database = 'test'): Promise<MariaDbServer> {
    const server = new MariaDbServer(await BrokerServer.start(program(settings)), database);
    await server.#untilReady();
    await server.sql(`CREATE DATABASE ${database}`, 'mysql');
    return server;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Without a password: it listens on this machine alone. */
  get url(): string {
    return this.urlOf('root');
  }

  urlOf(user: string): string {
    return `mysql://${user}@127.0.0.1:${this.port}/${this.#database}`;
  }

  async client(): Promise<Connection> {
    const client = await createConnection({
      ...{ host: '127.0.0.1', port: this.port, user: 'root', database: this.#database },
      ...{ multipleStatements: true, supportBigNumbers: true, charset: 'utf8mb4' },
    });
    client.on('error', () => {});
    return client;
  }

  /** A connection that changes rows. */
  async writer(): Promise<Writer> {
    const client = await this.client();
    return { write: async (sql) => void (await client.query(sql)), end: () => client.end() };
  }

  /** Runs statements on a connection of its own. Gives rows of values by column. */
  async query(text: string): Promise<Record<string, unknown>[]> {
    const client = await this.client();
    try {
      const [rows] = await client.query(text);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    } finally {
      await client.end();
    }
  }

  /** Runs statements by MariaDB's own client. Gives rows of texts. */
  async sql(text: string, database = this.#database): Promise<string[][]> {
    const { stdout } = await run('mariadb', [
      ...['--no-defaults', '--socket', `${this.#server.folder}/socket`, '--user=root'],
      ...['--batch', '--skip-column-names', '--execute', text, database],
    ]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  }

  /** It listens on its port some time before it does on its socket. */
  async #untilReady(): Promise<void> {
    let refusal: unknown;
    const isReady = () =>
      this.sql('SELECT 1', 'mysql').then(
        () => true,
        (error: unknown) => {
          refusal = error;
          return false;
        },
      );
    await poll(isReady, () => refusal);
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.#server.kill();
  }

  async open(): Promise<void> {
    await this.#server.open();
    await this.#untilReady();
  }

  remove(): Promise<void> {
    return this.#server.remove();
  }
}
