import type { Address } from '../../model/connection.ts';
import type { SqliteSource, TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck, ConnectionDriver } from '../../ports/connection-driver.ts';
import { checkFileMode, describeTable } from './change-table.ts';
import { DatabaseThread } from './database-thread.ts';
import { explainFailure } from './file-failure.ts';
import { findFile } from './find-file.ts';

/** Files of SQLite's as `lambent connections test` sees them. `ownFolder`: the platform's data folder. */
export function createSqliteDriver(ownFolder: string): ConnectionDriver {
  return {
    ...{ kind: 'sqlite', port: 0, tls: undefined },
    check: (address, sources) => check(address, sources, ownFolder),
  };
}

async function check(
  address: Address,
  sources: readonly TriggerSource[],
  ownFolder: string,
): Promise<ConnectionCheck[]> {
  const checks: ConnectionCheck[] = [];
  let database: DatabaseThread | undefined;
  const attempt = async (name: string, text: string, task: () => Promise<unknown>): Promise<boolean> => {
    try {
      await task();
      checks.push({ name, ok: true, text });
      return true;
    } catch (error) {
      checks.push({ name, ok: false, ...explainFailure(error) });
      return false;
    }
  };
  try {
    const isOpen = await attempt('file', 'It is there, and a file of SQLite’s.', async () => {
      database = new DatabaseThread(await findFile(address, ownFolder), () => {});
      await database.read('SELECT 1 FROM sqlite_schema LIMIT 1');
    });
    if (!isOpen) return checks;
    await attempt('rights', 'The platform may write it.', () => database!.write([]));
    const isWal = await attempt('journal_mode', 'journal_mode is wal.', () => checkFileMode(database!));
    for (const source of sources.filter((each): each is SqliteSource => isWal && each.kind === 'sqlite'))
      await attempt(`table ${source.table}`, 'It is there.', () => describeTable(database!, source));
    return checks;
  } finally {
    await database?.close();
  }
}
