import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Connection, connectionByUrl } from '../../model/connection.ts';
import type { Route, TrafficShare } from '../../model/deployment.ts';
import {
  type AppName,
  type BlobDigest,
  FUNCTION_DEFAULTS,
  type FunctionName,
  type FunctionVersion,
  type VersionId,
} from '../../model/function.ts';
import {
  DELIVERY_DEFAULTS,
  type PostgresSource,
  type Trigger,
  type TriggerName,
} from '../../model/trigger.ts';
import type { AppStore, NewDeployment } from '../app-store.ts';
import { type OpenFresh, withFresh } from './harness.ts';

const shop = 'shop' as AppName;

function version(app: AppName, name: string, code: string): FunctionVersion {
  return {
    id: `fv_${code.slice(0, 32)}` as VersionId,
    app,
    name: name as FunctionName,
    runtime: 'node',
    runtimePin: 'node 26.0.0',
    code: code as BlobDigest,
    packages: undefined,
    entry: 'index.js',
    handler: undefined,
    config: { ...FUNCTION_DEFAULTS, env: { GREETING: 'grüß dich' } },
  };
}

const TRIGGER: Trigger = {
  name: 'home-events' as TriggerName,
  function: 'home' as FunctionName,
  source: { kind: 'events', pattern: { source: ['shop'] }, format: 'cloudevent' },
  delivery: { ...DELIVERY_DEFAULTS, onFailure: { kind: 'emit', type: 'lost' } },
};

const CONNECTION: Connection = {
  name: 'orders-db',
  kind: 'postgres',
  at: { kind: 'parts', host: 'db', port: 5433, path: 'shop', user: 'lambent', password: 'DB_PASSWORD' },
  tls: { ca: 'CA', cert: 'CERT', key: 'KEY', serverName: 'db.example', verify: true },
};
const ROWS: Omit<PostgresSource, 'connection'> = {
  ...{ kind: 'postgres', schema: 'public', table: 'orders', actions: ['insert'] },
  ...{ columns: ['id'], where: 'true' },
};

const codeA = 'a'.repeat(64);
const codeB = 'b'.repeat(64);

function deployment(
  app: AppName,
  functions: readonly FunctionVersion[] = [version(app, 'home', codeA)],
  note = '',
): NewDeployment {
  const routes: Route[] = functions.map((each) => ({
    method: 'GET',
    path: `/${each.name}`,
    host: undefined,
    function: each.name,
    cors: undefined,
  }));
  return {
    app,
    createdMs: 1_800_000_000_000,
    createdBy: 'local',
    note,
    functions,
    routes,
    triggers: [TRIGGER],
    connections: [],
    shares: [],
  };
}

const all = (number: number): TrafficShare[] => [{ number, weight: 100 }];
const hasCode = (code: string) => (thrown: unknown) => (thrown as { code?: string }).code === code;

async function deployMany(store: AppStore, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) await store.createDeployment(deployment(shop));
}

/** Holds an adapter to every sentence of `AppStore`. */
export function exerciseAppStore(open: OpenFresh<AppStore>): void {
  describe('AppStore: deployments', () => {
    it('numbers the deployments of each app from 1', () =>
      withFresh(open, async (store) => {
        const other = 'other' as AppName;
        assert.equal((await store.createDeployment(deployment(shop))).number, 1);
        assert.equal((await store.createDeployment(deployment(shop))).number, 2);
        assert.equal((await store.createDeployment(deployment(other))).number, 1);
      }));

    it('gives different numbers to deployments made at once', () =>
      withFresh(open, async (store) => {
        const made = await Promise.all(
          Array.from({ length: 20 }, () => store.createDeployment(deployment(shop))),
        );
        const numbers = made.map((each) => each.number).sort((a, b) => a - b);
        assert.deepEqual(
          numbers,
          Array.from({ length: 20 }, (_, index) => index + 1),
        );
      }));

    it('gives a deployment back as it was stored, also after a restart', () =>
      withFresh(open, async (store, fresh) => {
        const cors = {
          origins: ['https://a.example'],
          methods: ['GET'],
          headers: [],
          exposeHeaders: [],
          credentials: true,
          maxAgeS: 60,
        };
        const base = deployment(shop, [version(shop, 'home', codeA), version(shop, 'about', codeB)], 'note');
        const rich: NewDeployment = {
          ...base,
          functions: [
            { ...base.functions[0]!, handler: 'handler', config: { ...FUNCTION_DEFAULTS, concurrency: 7 } },
            base.functions[1]!,
          ],
          routes: [{ ...base.routes[0]!, host: '*.example.com', cors }, base.routes[1]!],
          triggers: [TRIGGER, { ...TRIGGER, source: { ...ROWS, connection: CONNECTION } }],
          connections: [CONNECTION, { ...connectionByUrl('redis', 'CACHE_URL'), name: 'cache' }],
        };
        const stored = await store.createDeployment(rich);
        assert.deepEqual(stored, { ...rich, number: 1 });
        const again = await fresh.reopen();
        assert.deepEqual(await again.findDeployment(shop, 1), stored);
        assert.equal(await again.findDeployment(shop, 2), undefined);
        assert.equal(await again.findDeployment('none' as AppName, 1), undefined);
      }));

    it('keeps functions apart that have the same version, and versions that share an id', () =>
      withFresh(open, async (store) => {
        const one = version(shop, 'one', codeA);
        const two = { ...version(shop, 'two', codeA), entry: 'two.js' };
        const stored = await store.createDeployment(deployment(shop, [one, two]));
        assert.deepEqual((await store.findDeployment(shop, stored.number))?.functions, [one, two]);
      }));

    it('lists newest first, without functions, and continues before a number', () =>
      withFresh(open, async (store) => {
        await deployMany(store, 4);
        await store.createDeployment(deployment(shop, [], 'last'));
        const first = await store.listDeployments(shop, 2);
        assert.deepEqual(
          first.map((each) => each.number),
          [5, 4],
        );
        assert.deepEqual(first[0], {
          app: shop,
          number: 5,
          createdMs: 1_800_000_000_000,
          createdBy: 'local',
          note: 'last',
          functionCount: 0,
        });
        const rest = await store.listDeployments(shop, 10, 4);
        assert.deepEqual(
          rest.map((each) => each.number),
          [3, 2, 1],
        );
        assert.deepEqual(await store.listDeployments('none' as AppName, 10), []);
      }));
  });

  describe('AppStore: traffic', () => {
    it('has an app from its first deployment on, not live', () =>
      withFresh(open, async (store) => {
        assert.deepEqual(await store.listApps(), []);
        await store.createDeployment(deployment(shop));
        assert.deepEqual(await store.listApps(), [{ app: shop, generation: 0, traffic: [] }]);
      }));

    it('switches, and counts each switch', () =>
      withFresh(open, async (store, fresh) => {
        await deployMany(store, 2);
        const first = await store.switchTraffic(shop, all(1), 0);
        assert.deepEqual(first, {
          status: 'switched',
          live: { app: shop, generation: 1, traffic: all(1) },
        });
        const split = [
          { number: 1, weight: 90 },
          { number: 2, weight: 10 },
        ];
        const second = await store.switchTraffic(shop, split, 1);
        assert.equal(second.status, 'switched');
        const again = await fresh.reopen();
        assert.deepEqual(await again.listApps(), [{ app: shop, generation: 2, traffic: split }]);
      }));

    it('changes nothing when the generation is a former one', () =>
      withFresh(open, async (store) => {
        await deployMany(store, 2);
        await store.switchTraffic(shop, all(1), 0);
        assert.deepEqual(await store.switchTraffic(shop, all(2), 0), { status: 'stale', generation: 1 });
        assert.deepEqual((await store.listApps())[0]?.traffic, all(1));
      }));

    it('lets one of several switches at once win', () =>
      withFresh(open, async (store) => {
        await deployMany(store, 5);
        const outcomes = await Promise.all(
          [1, 2, 3, 4, 5].map((number) => store.switchTraffic(shop, all(number), 0)),
        );
        const won = outcomes.filter((each) => each.status === 'switched');
        assert.equal(won.length, 1);
        assert.deepEqual(await store.listApps(), [won[0]?.status === 'switched' ? won[0].live : undefined]);
      }));

    it('refuses what is not there and weights that are none', () =>
      withFresh(open, async (store) => {
        await assert.rejects(store.switchTraffic(shop, all(1), 0), hasCode('E_NOT_FOUND'));
        await deployMany(store, 2);
        await assert.rejects(store.switchTraffic(shop, all(3), 0), hasCode('E_NOT_FOUND'));
        const bad: TrafficShare[][] = [
          [],
          [{ number: 1, weight: 99 }],
          [
            { number: 1, weight: 50 },
            { number: 1, weight: 50 },
          ],
          [
            { number: 1, weight: 99.5 },
            { number: 2, weight: 0.5 },
          ],
        ];
        for (const traffic of bad)
          await assert.rejects(store.switchTraffic(shop, traffic, 0), hasCode('E_BAD_REQUEST'));
        assert.deepEqual(await store.listApps(), [{ app: shop, generation: 0, traffic: [] }]);
      }));

    it('lists the oldest app first', () =>
      withFresh(open, async (store) => {
        for (const name of ['zoo', 'art', 'mid']) await store.createDeployment(deployment(name as AppName));
        assert.deepEqual(
          (await store.listApps()).map((each) => each.app),
          ['zoo', 'art', 'mid'],
        );
      }));
  });

  describe('AppStore: forgetting', () => {
    it('deletes an app with all its deployments', () =>
      withFresh(open, async (store) => {
        await deployMany(store, 2);
        await store.switchTraffic(shop, all(2), 0);
        await store.createDeployment(deployment('other' as AppName));
        assert.equal(await store.deleteApp(shop), true);
        assert.equal(await store.deleteApp(shop), false);
        assert.equal(await store.findDeployment(shop, 2), undefined);
        assert.deepEqual(await store.listDeployments(shop, 10), []);
        assert.deepEqual(
          (await store.listApps()).map((each) => each.app),
          ['other'],
        );
      }));

    it('prunes what is neither among the newest nor live, and never gives a number twice', () =>
      withFresh(open, async (store) => {
        await deployMany(store, 6);
        await store.switchTraffic(shop, all(2), 0);
        assert.equal(await store.pruneDeployments(shop, 2), 3);
        assert.deepEqual(
          (await store.listDeployments(shop, 10)).map((each) => each.number),
          [6, 5, 2],
        );
        assert.equal(await store.pruneDeployments(shop, 0), 2);
        assert.equal((await store.createDeployment(deployment(shop))).number, 7);
        assert.equal(await store.pruneDeployments('none' as AppName, 0), 0);
      }));

    it('names every blob that a stored deployment needs, and no other', () =>
      withFresh(open, async (store) => {
        assert.deepEqual(await store.referencedBlobs(), new Set());
        await store.createDeployment(deployment(shop, [version(shop, 'home', codeA)]));
        await store.createDeployment(
          deployment(shop, [version(shop, 'home', codeB), version(shop, 'x', codeB)]),
        );
        assert.deepEqual(await store.referencedBlobs(), new Set([codeA, codeB]));
        await store.pruneDeployments(shop, 1);
        assert.deepEqual(await store.referencedBlobs(), new Set([codeB]));
        await store.deleteApp(shop);
        assert.deepEqual(await store.referencedBlobs(), new Set());
      }));
  });
}
