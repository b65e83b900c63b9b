/** The durable workflows that Lambent races against, each with the same ten recorded steps behind HTTP. */
import { createRequire } from 'node:module';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BENCH_ROOT } from './peers.ts';
import { startPostgres } from './postgres.ts';
import { findFreePort, type Program, startProgram } from './program.ts';

export interface StepPeer {
  readonly name: string;
  /** A POST there with `{"n":1}` runs a workflow and answers with its result, 55, when its end is durable. */
  readonly url: string;
  stop(): Promise<void>;
}

const FIXTURES = join(BENCH_ROOT, 'fixtures/steps');

/** Restate's server, and the program with the workflow that it calls. Its log is fsynced, as it comes. */
export async function startRestate(folder: string): Promise<StepPeer> {
  await mkdir(join(folder, 'restate'), { recursive: true });
  const [node, ingress, admin, service, ready] = [
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
    await findFreePort(),
  ];
  const programs: Program[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(programs.map((program) => program.stop()));
  };
  try {
    programs.push(
      await startProgram({
        command: [findRestate(), '--no-logo', '--base-dir', join(folder, 'restate')],
        cwd: folder,
        env: {
          RESTATE_LISTEN_MODE: 'tcp',
          RESTATE_BIND_IP: '127.0.0.1',
          RESTATE_BIND_PORT: String(node),
          RESTATE_INGRESS__BIND_PORT: String(ingress),
          RESTATE_ADMIN__BIND_PORT: String(admin),
          RESTATE_DISABLE_TELEMETRY: 'true',
          RESTATE_LOG_FILTER: 'warn',
        },
        readyUrl: `http://127.0.0.1:${admin}/health`,
      }),
      await startProgram({
        command: [process.execPath, 'restate.mjs', String(service), String(ready)],
        cwd: FIXTURES,
        readyUrl: `http://127.0.0.1:${ready}/`,
      }),
    );
    const answer = await fetch(`http://127.0.0.1:${admin}/deployments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ uri: `http://127.0.0.1:${service}` }),
    });
    if (!answer.ok) throw new Error(`Restate does not take the workflow: ${await answer.text()}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { name: 'Restate', url: `http://127.0.0.1:${ingress}/Ten/run`, stop };
}

/** A program with DBOS, over a PostgreSQL of its own. */
export async function startDbos(folder: string): Promise<StepPeer> {
  const postgres = await startPostgres(join(folder, 'postgres'));
  const port = await findFreePort();
  try {
    const program = await startProgram({
      command: [process.execPath, 'dbos.mjs', String(port), postgres.url],
      cwd: FIXTURES,
      readyUrl: `http://127.0.0.1:${port}/`,
    });
    return {
      name: 'DBOS',
      url: `http://127.0.0.1:${port}/`,
      async stop() {
        await program.stop();
        postgres.stop();
      },
    };
  } catch (error) {
    postgres.stop();
    throw error;
  }
}

/** The server is a package, one a system. The one that is for all of them brings an install script. */
function findRestate(): string {
  const require = createRequire(join(BENCH_ROOT, 'package.json'));
  const system = `${process.platform}-${process.arch}`;
  return join(
    dirname(require.resolve(`@restatedev/restate-server-${system}/package.json`)),
    'bin/restate-server',
  );
}
