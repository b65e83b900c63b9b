/** MariaDB as a private server of one test: its own folder and port, nothing of the machine's. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type BrokerProgram, BrokerServer, missing } from './broker-servers.ts';

const run = promisify(execFile);
/** Started by root it has to be told so; nobody else may be. */
const USER = process.getuid?.() === 0 ? ['--user=root'] : [];

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

  private constructor(server: BrokerServer) {
    this.#server = server;
  }

  /** A new server that runs, with a database `test`. */
  static async start(settings: readonly string[] = []): Promise<MariaDbServer> {
    const server = new MariaDbServer(await BrokerServer.start(program(settings)));
    await server.sql('CREATE DATABASE test', 'mysql');
    return server;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Without a password: it listens on this machine alone. */
  get url(): string {
    return `mysql://root@127.0.0.1:${this.port}/test`;
  }

  /** Runs statements by MariaDB's own client. Gives rows of texts. */
  async sql(text: string, database = 'test'): Promise<string[][]> {
    const { stdout } = await run('mariadb', [
      ...['--no-defaults', '--socket', `${this.#server.folder}/socket`, '--user=root'],
      ...['--batch', '--skip-column-names', '--execute', text, database],
    ]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.#server.kill();
  }

  open(): Promise<void> {
    return this.#server.open();
  }

  remove(): Promise<void> {
    return this.#server.remove();
  }
}
