import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { createSeededRandom } from '../../base/random.ts';
import type { CloudEvent } from '../../model/cloud-event.ts';
import {
  DELIVERY_DEFAULTS,
  FILE_ACTIONS,
  type FilesSource,
  type Trigger,
  type TriggerId,
} from '../../model/trigger.ts';
import type { Published } from '../../ports/event-bus.ts';
import { CONTENT_BYTES_MAX, createFileSources, type FileSource, isWithin } from './file-source.ts';
import { sealEvent } from '../../model/sealed-event.ts';

let root: string;
before(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-files-')));
});
after(() => rm(root, { recursive: true, force: true }));

/** A real folder and a clock by hand; what is published is kept, with the position. */
class Bench {
  readonly clock = new ManualClock();
  readonly folder: string;
  readonly events: CloudEvent[] = [];
  position: string | undefined;
  isBroken = false;
  readonly #settings: FilesSource;
  readonly #mayRead: (folder: string) => boolean;
  #source: FileSource | undefined;

  constructor(name: string, more: Partial<FilesSource> = {}, mayRead = (_folder: string) => true) {
    this.folder = join(root, name);
    this.#mayRead = mayRead;
    this.#settings = {
      ...{ kind: 'files', folder: this.folder, match: ['**'], actions: FILE_ACTIONS },
      ...{ settleMs: 1_500, existing: false, content: false, ...more },
    };
  }

  get trouble(): string | undefined {
    return this.#source!.status().trouble;
  }

  /** What was told since the last look at it, as `create a.txt`. */
  told(): string[] {
    return this.events.splice(0).map(({ type, data }) => {
      const { path } = data as { path: string };
      return `${type.replace('lambent.file.', '')} ${path}`;
    });
  }

  async open(): Promise<void> {
    const factory = createFileSources(this.#mayRead);
    this.#source = factory.open({
      id: 'shop/inbox' as TriggerId,
      app: 'shop' as never,
      trigger: { source: this.#settings, delivery: DELIVERY_DEFAULTS } as unknown as Trigger,
      ...{ position: this.position, clock: this.clock, random: createSeededRandom(1), log: silentLog },
      publish: async (events, position): Promise<Published[]> => {
        if (this.isBroken) throw new Error('the disk is full');
        this.events.push(...events.map((each) => sealEvent(each).parsed));
        this.position = position;
        return [];
      },
      secret: async () => undefined,
      address: () => Promise.reject(new Error('files connect to nothing')),
      alert: async () => {},
      isBusy: async () => false,
    });
    await this.look();
  }

  close = (): Promise<void> => this.#source!.close();

  async look(times = 1): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      this.clock.advance(1_000);
      await this.#source!.idle();
    }
  }

  write = (path: string, text: string): Promise<void> => writeFile(join(this.folder, path), text);
}

async function withBench(bench: Bench, work: (bench: Bench) => Promise<void>): Promise<void> {
  await mkdir(bench.folder, { recursive: true });
  try {
    await work(bench);
  } finally {
    await bench.close();
  }
}

describe('files', { timeout: 30_000 }, () => {
  it('are told of when they are created, changed and removed, once they are settled', () =>
    withBench(new Bench('basic'), async (bench) => {
      await bench.write('old.txt', 'was there');
      await bench.open();
      await mkdir(join(bench.folder, 'sub'));
      await bench.write('sub/new.txt', 'begun');
      await bench.look();
      assert.deepEqual(bench.told(), [], 'not before it is settled');
      await bench.write('sub/new.txt', 'begun and written on');
      await bench.look();
      await bench.look();
      assert.deepEqual(bench.told(), [], 'each change begins the wait anew');
      await bench.look();
      const [{ data, subject }] = bench.events as [CloudEvent];
      const { size, path } = data as { size: number; path: string };
      assert.deepEqual([subject, path, size], ['sub/new.txt', 'sub/new.txt', 20]);
      assert.deepEqual(bench.told(), ['create sub/new.txt']);
      await bench.write('old.txt', 'changed');
      await rm(join(bench.folder, 'sub'), { recursive: true });
      await bench.look(3);
      assert.deepEqual(bench.told(), ['remove sub/new.txt', 'change old.txt']);
    }));

  it('that changed while nobody looked are told of after a restart, with ids of their own', () =>
    withBench(new Bench('restart'), async (bench) => {
      await bench.write('a', '1');
      await bench.write('b', '1');
      await bench.open();
      await bench.close();
      await rm(join(bench.folder, 'a'));
      await bench.write('c', '1');
      await bench.open();
      await bench.look(3);
      assert.deepEqual(bench.told(), ['remove a', 'create c']);
      // A file that goes and comes back just as it was is two events more.
      const ids = new Set<string>();
      for (let time = 0; time < 2; time += 1) {
        await rename(join(bench.folder, 'c'), join(root, 'aside'));
        await bench.look();
        await rename(join(root, 'aside'), join(bench.folder, 'c'));
        await bench.look(3);
        for (const { id } of bench.events) ids.add(id);
      }
      assert.deepEqual(bench.told(), ['remove c', 'create c', 'remove c', 'create c']);
      assert.equal(ids.size, 4);
    }));

  it('that could not be stored are told of again', () =>
    withBench(new Bench('broken', { settleMs: 0 }), async (bench) => {
      await bench.open();
      await bench.write('x', '1');
      bench.isBroken = true;
      await bench.look();
      assert.match(bench.trouble!, /the disk is full/);
      bench.isBroken = false;
      await bench.look();
      assert.deepEqual([bench.told(), bench.trouble], [['create x'], undefined]);
    }));

  it('are chosen by globs and actions; links are passed over', () =>
    withBench(
      new Bench('chosen', { settleMs: 0, match: ['*.csv', 'in/**'], actions: ['create'], existing: true }),
      async (bench) => {
        await bench.write('a.csv', '1');
        await bench.write('a.txt', '1');
        await mkdir(join(bench.folder, 'in/deep'), { recursive: true });
        await bench.write('in/deep/x', '1');
        await symlink('/etc/passwd', join(bench.folder, 'link.csv'));
        await bench.open();
        assert.deepEqual(bench.told().toSorted(), ['create a.csv', 'create in/deep/x']);
        await utimes(join(bench.folder, 'a.csv'), 1, 1);
        await rm(join(bench.folder, 'in'), { recursive: true });
        await bench.look(2);
        assert.deepEqual(bench.told(), []);
      },
    ));

  it('bring their content along, text or not, if it is small', () =>
    withBench(new Bench('content', { settleMs: 0, content: true }), async (bench) => {
      await bench.open();
      await bench.write('t', 'grüße');
      await writeFile(join(bench.folder, 'b'), Buffer.from([0xff, 0xfe]));
      await writeFile(join(bench.folder, 'l'), Buffer.alloc(CONTENT_BYTES_MAX + 1));
      await bench.look();
      const data = new Map(bench.events.map((each) => [each.subject, each.data as Record<string, unknown>]));
      assert.equal(data.get('t')!.content, 'grüße');
      assert.equal(data.get('b')!.contentBase64, '//4=');
      assert.ok(!('content' in data.get('l')!) && !('contentBase64' in data.get('l')!));
    }));

  it('of a folder that is away or not allowed are no removals but trouble', async () => {
    const bench = new Bench('away');
    await withBench(bench, async () => {
      await bench.write('a', '1');
      await bench.open();
      await rename(bench.folder, `${bench.folder}-gone`);
      await bench.look();
      assert.match(bench.trouble!, /ENOENT/);
      await rename(`${bench.folder}-gone`, bench.folder);
      await bench.look();
      assert.deepEqual([bench.told(), bench.trouble], [[], undefined]);
    });
    const allowed = [join(root, 'allowed')];
    const refused = new Bench('away', {}, (folder) => isWithin(folder, allowed));
    await withBench(refused, async () => {
      await refused.open();
      assert.match(refused.trouble!, /--allow-folder/);
    });
    assert.ok(isWithin('/srv/in/deep', ['/srv/in']) && !isWithin('/srv/inner', ['/srv/in']));
  });
});
