import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';
import type { MysqlSource, TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck, ConnectionDriver } from '../../ports/connection-driver.ts';
import { registerReplica } from './binlog-stream.ts';
import { connect, type Database, MYSQL_PORT, setupError } from './connect.ts';
import { explainFailure } from './connection-failure.ts';
import { findTable, NEEDS, quoteUser, readServer, type ServerFacts, serverProblems } from './server-setup.ts';

/** A number that no trigger has: theirs are larger, those of replicas smaller. */
const SERVER_ID = 2 ** 31 - 1;

/** MariaDB and MySQL as `lambent connections test` sees them: everything that reading their changes needs. */
export const mysqlDriver: ConnectionDriver = { kind: 'mysql', port: MYSQL_PORT, tls: undefined, check };

async function check(address: Address, sources: readonly TriggerSource[]): Promise<ConnectionCheck[]> {
  let database: Database;
  try {
    database = await connect(address, () => {});
  } catch (error) {
    return [failed(error, 'login')];
  }
  try {
    const facts = await readServer(database);
    const encrypted = address.tls === undefined ? 'not encrypted' : 'encrypted';
    return [
      { name: 'login', ok: true, text: `${facts.who} is let in, ${encrypted}.` },
      ...checkVariables(facts),
      await checkStream(address, facts),
      ...(await checkTables(database, facts, sources)),
    ];
  } catch (error) {
    return [failed(error, 'login')];
  } finally {
    database.destroy();
  }
}

function checkVariables(facts: ServerFacts): ConnectionCheck[] {
  const problems = serverProblems(facts);
  const names = ['version', ...NEEDS.map(({ variable }) => variable)];
  return names.flatMap((name) => {
    const problem = problems.find((each) => each.name === name);
    if (problem !== undefined) return [failed(problem.error, name)];
    if (name === 'version') return [{ name, ok: true, text: `The server is ${facts.version}.` }];
    const value = facts.variables[name];
    return value === undefined ? [] : [{ name, ok: true, text: `${name} is ${value || 'empty'}.` }];
  });
}

async function checkStream(address: Address, { who, isMariaDb }: ServerFacts): Promise<ConnectionCheck> {
  const name = 'replication';
  const replica = await connect(address, () => {});
  try {
    await registerReplica(replica, SERVER_ID);
    return { name, ok: true, text: `${who} may read the binary log.` };
  } catch (error) {
    if (!(error instanceof LambentError)) return failed(error, name);
    const rights = `REPLICATION SLAVE, ${isMariaDb ? 'BINLOG MONITOR' : 'REPLICATION CLIENT'}`;
    const statement = `As an administrator: GRANT ${rights} ON *.* TO ${quoteUser(who)};`;
    return failed(setupError(error.message, statement), name);
  } finally {
    replica.destroy();
  }
}

async function checkTables(
  database: Database,
  facts: ServerFacts,
  sources: readonly TriggerSource[],
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  for (const source of sources.filter((each): each is MysqlSource => each.kind === 'mysql')) {
    const name = `table ${[source.schema, source.table].filter(Boolean).join('.')}`;
    try {
      await findTable(database, source, facts);
      checks.push({ name, ok: true, text: 'It is there.' });
    } catch (error) {
      checks.push({ ...failed(error, name), name });
    }
  }
  return checks;
}

function failed(error: unknown, name: string): ConnectionCheck {
  const { step, text, fix } = explainFailure(error);
  return { name: step ?? name, ok: false, text, fix };
}
