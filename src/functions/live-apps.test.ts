import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import {
  type AppName,
  type BlobDigest,
  FUNCTION_DEFAULTS,
  type FunctionName,
  type FunctionVersion,
} from '../model/function.ts';
import type { LiveAppEntry, LiveApps } from '../ports/live-apps.ts';
import { openStore, type Store } from '../store-sqlite/store.ts';
import { createLiveApps, type LiveAppsWriter } from './live-apps.ts';
import { versionIdOf } from './version-id.ts';

const SHOP = 'shop' as AppName;
const fn = (name: string) => name as FunctionName;

describe('createLiveApps', { timeout: 30_000 }, () => {
  let folder: string;
  let store: Store;
  let liveApps: LiveApps & LiveAppsWriter;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-live-'));
    store = await openStore({ folder, clock: systemClock, log: silentLog });
    liveApps = await open();
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = () => createLiveApps({ apps: store.apps, random: createSeededRandom(7) });

  function versionOf(app: AppName, name: string, code: string): FunctionVersion {
    const version = {
      app,
      name: fn(name),
      runtime: 'node' as const,
      runtimePin: 'node 26.0.0',
      code: code.repeat(64) as BlobDigest,
      packages: undefined,
      entry: 'index.mjs',
      handler: undefined,
      config: FUNCTION_DEFAULTS,
    };
    return { id: versionIdOf(version), ...version };
  }
  async function newDeployment(app: AppName, code: string, ...names: string[]): Promise<number> {
    const functions = names.map((name) => versionOf(app, name, code));
    const { number } = await store.apps.createDeployment({
      app,
      createdMs: 1,
      createdBy: 'test',
      note: '',
      functions,
      routes: [],
      triggers: [],
      connections: [],
      shares: [],
    });
    return number;
  }
  async function switchTo(app: AppName, ...traffic: [number: number, weight: number][]): Promise<void> {
    const present = (await store.apps.listApps()).find((each) => each.app === app);
    const shares = traffic.map(([number, weight]) => ({ number, weight }));
    const outcome = await store.apps.switchTraffic(app, shares, present?.generation ?? 0);
    assert.equal(outcome.status, 'switched');
    await liveApps.refresh(app);
  }

  it('loads what is live, and leaves out what never was', async () => {
    await switchTo(SHOP, [await newDeployment(SHOP, 'a', 'hello'), 100]);
    await newDeployment('draft' as AppName, 'b', 'hello');
    const again = await open();
    assert.deepEqual(
      again.snapshot().map(({ live }) => live.app),
      ['shop'],
    );
    assert.equal(again.resolve(SHOP, fn('hello'))?.deployment, 1);
    assert.equal(again.resolve(SHOP, fn('other')), undefined);
    assert.equal(again.resolve('draft' as AppName, fn('hello')), undefined);
  });

  it('changes an entry in one step and tells those who listen', async () => {
    const told: [AppName, LiveAppEntry | undefined][] = [];
    const stop = liveApps.subscribe((app, entry) => told.push([app, entry]));
    await switchTo(SHOP, [await newDeployment(SHOP, 'a', 'hello'), 100]);
    const first = liveApps.resolve(SHOP, fn('hello'));
    assert.equal(first, liveApps.resolve(SHOP, fn('hello')), 'the same object: nothing is allocated');
    await switchTo(SHOP, [await newDeployment(SHOP, 'b', 'hello'), 100]);
    assert.equal(liveApps.resolve(SHOP, fn('hello'))?.deployment, 2);
    assert.deepEqual(
      told.map(([app, entry]) => [app, entry?.live.generation]),
      [
        ['shop', 1],
        ['shop', 2],
      ],
    );
    await store.apps.deleteApp(SHOP);
    await liveApps.refresh(SHOP);
    assert.deepEqual(told.at(-1), ['shop', undefined]);
    assert.deepEqual(liveApps.snapshot(), []);
    stop();
    await liveApps.refresh(SHOP);
    assert.equal(told.length, 3);
  });

  it('shares calls by weight, and finds what only one deployment has', async () => {
    const [older, newer] = [
      await newDeployment(SHOP, 'a', 'both', 'old'),
      await newDeployment(SHOP, 'b', 'both', 'new'),
    ];
    await switchTo(SHOP, [older, 75], [newer, 25]);
    let fromNewer = 0;
    for (let call = 0; call < 4_000; call += 1)
      if (liveApps.resolve(SHOP, fn('both'))?.deployment === newer) fromNewer += 1;
    assert.ok(fromNewer > 900 && fromNewer < 1_100, `${fromNewer} of 4000`);
    for (let call = 0; call < 20; call += 1) {
      assert.equal(liveApps.resolve(SHOP, fn('old'))?.deployment, older);
      assert.equal(liveApps.resolve(SHOP, fn('new'))?.deployment, newer);
    }
  });

  it('shows deployments that are not live, and forgets those of an app that went', async () => {
    await switchTo(SHOP, [await newDeployment(SHOP, 'a', 'hello'), 100]);
    await newDeployment(SHOP, 'b', 'hello');
    assert.equal((await liveApps.preview(SHOP, 2))?.functions[0]?.code[0], 'b');
    assert.equal(await liveApps.preview(SHOP, 2), await liveApps.preview(SHOP, 2));
    assert.equal(await liveApps.preview(SHOP, 9), undefined);
    await store.apps.deleteApp(SHOP);
    await liveApps.refresh(SHOP);
    assert.equal(await liveApps.preview(SHOP, 2), undefined);
    await newDeployment(SHOP, 'c', 'hello');
    await newDeployment(SHOP, 'd', 'hello');
    assert.equal((await liveApps.preview(SHOP, 2))?.functions[0]?.code[0], 'd');
  });

  it('never shows an older state after a newer one', async () => {
    const [one, two] = [await newDeployment(SHOP, 'a', 'hello'), await newDeployment(SHOP, 'b', 'hello')];
    const generations: (number | undefined)[] = [];
    liveApps.subscribe((_app, entry) => generations.push(entry?.live.generation));
    const turns = Array.from({ length: 20 }, async (_, turn) => {
      const number = turn % 2 === 0 ? one : two;
      await store.apps.switchTraffic(SHOP, [{ number, weight: 100 }], turn);
      await liveApps.refresh(SHOP);
    });
    await Promise.all(turns);
    assert.deepEqual(
      generations,
      generations.toSorted((a, b) => (a ?? 0) - (b ?? 0)),
    );
    assert.equal(liveApps.find(SHOP)?.live.generation, 20);
  });
});

describe('versionIdOf', () => {
  it('depends on code, configuration, owner and runtime, and on nothing else', () => {
    const version = {
      app: SHOP,
      name: fn('a'),
      runtime: 'node' as const,
      runtimePin: 'node 26.0.0',
      code: 'a'.repeat(64) as BlobDigest,
      packages: undefined,
      entry: 'index.mjs',
      handler: undefined,
      config: { ...FUNCTION_DEFAULTS, env: { A: '1', B: '2' } },
    };
    const id = versionIdOf(version);
    assert.match(id, /^fv_[0-9a-f]{32}$/);
    const { config, ...rest } = version;
    const reordered = { config: { ...config, env: { B: '2', A: '1' } }, ...rest };
    assert.equal(versionIdOf(reordered), id);
    const others = [
      versionIdOf({ ...version, runtimePin: 'node 26.0.1' }),
      versionIdOf({ ...version, app: 'other' as AppName }),
      versionIdOf({ ...version, handler: 'run' }),
      versionIdOf({ ...version, config: { ...config, memoryMb: 512 } }),
    ];
    assert.equal(new Set([id, ...others]).size, 5);
  });
});
