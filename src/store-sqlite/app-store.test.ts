import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, it } from 'node:test';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { connectionByUrl } from '../model/connection.ts';
import type { AppName } from '../model/function.ts';
import { DATABASE_FILE } from './database.ts';
import { openStore } from './store.ts';

const folder = await mkdtemp(join(tmpdir(), 'lambent-app-store-'));
after(() => rm(folder, { recursive: true, force: true }));

it('triggers from before there were connections have one of their own', async () => {
  const options = { folder, clock: new ManualClock(), log: silentLog };
  const first = await openStore(options);
  const app = 'shop' as AppName;
  const about = { createdMs: 1, createdBy: 'local', note: '' };
  await first.apps.createDeployment({
    ...{ app, ...about, functions: [], routes: [], triggers: [], connections: [], shares: [] },
  });
  await first.close();
  const database = new DatabaseSync(join(folder, DATABASE_FILE));
  const source = { kind: 'redis', url: 'CACHE', prefetch: 100, stream: 'orders', from: 'all' };
  const stored = [{ name: 'old', function: 'bill', source, delivery: {} }];
  database.prepare('UPDATE deployments SET triggers = ?').run(JSON.stringify(stored));
  database.close();
  const second = await openStore(options);
  const [trigger] = (await second.apps.findDeployment(app, 1))!.triggers;
  await second.close();
  const { url: _url, ...rest } = source;
  assert.deepEqual(trigger!.source, { ...rest, connection: connectionByUrl('redis', 'CACHE') });
});
