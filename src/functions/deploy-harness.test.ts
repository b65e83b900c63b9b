/* What the tests of deploys share: a deployer over real stores. It has no tests of its own. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { BuildLine, DeployRequest, DeployResult } from '../ports/deployer.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { openBlobStore } from '../store-files/blob-store.ts';
import { openStore, type Store } from '../store-sqlite/store.ts';
import { createStateLanguage } from '../workflows/asl/asl-language.ts';
import { createLanguages } from './build/languages.ts';
import { type ClosableDeployer, createDeployer } from './deploy.ts';
import { createLiveApps, type LiveAppsWriter } from './live-apps.ts';

/** This project's own packages, for apps of tests that use some of them. */
export const PROJECT_MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** For tests: a deployer over real stores, in folders of its own. */
export interface DeployFixture {
  readonly root: string;
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly liveApps: LiveApps & LiveAppsWriter;
  readonly deployer: ClosableDeployer;
  /** Lines of the last deploy. */
  readonly lines: BuildLine[];
  /** Writes files of an app; makes its folder when it is missing. */
  write(app: string, files: Readonly<Record<string, string>>): Promise<string>;
  /** Links this project's packages into the app. */
  linkModules(app: string): Promise<void>;
  deploy(app: string, over?: Partial<DeployRequest>): Promise<DeployResult>;
  /** Puts a new deployer over the same folders, as after a restart of the platform. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function openDeployFixture(): Promise<DeployFixture> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'lambent-deploy-')));
  // A second ahead: files that a test has just written count as settled, and their timestamps are trusted.
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + 1_000 };
  const log = silentLog;
  const store = await openStore({ folder: join(root, 'data'), clock, log });
  const blobs = await openBlobStore({ folder: join(root, 'data/blobs') });
  const liveApps = await createLiveApps({ apps: store.apps, random: createSeededRandom(1) });
  const scratchDir = join(root, 'data/scratch');
  const open = (): ClosableDeployer => {
    const stateLanguage = createStateLanguage(() => clock.nowMs());
    const languages = createLanguages({ clock, log, blobs, scratchDir, stateLanguage });
    return createDeployer({
      ...{ apps: store.apps, blobs, liveApps, languages, clock, log, scratchDir, builds: undefined },
      missingSecrets: ({ config }) => config.secrets ?? [],
      sourcePlans: { changes: async () => [] },
    });
  };
  let deployer = open();
  const lines: BuildLine[] = [];
  const folderOf = (app: string): string => join(root, 'apps', app);
  return {
    root,
    store,
    blobs,
    liveApps,
    get deployer() {
      return deployer;
    },
    lines,
    async write(app, files) {
      await mkdir(folderOf(app), { recursive: true });
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folderOf(app), path)), { recursive: true });
        await writeFile(join(folderOf(app), path), text);
      }
      return folderOf(app);
    },
    async linkModules(app) {
      await symlink(PROJECT_MODULES, join(folderOf(app), 'node_modules'));
    },
    deploy(app, over) {
      lines.length = 0;
      const request: DeployRequest = {
        folder: folderOf(app),
        createdBy: 'test',
        note: '',
        weight: 100,
        onLine: (line) => lines.push(line),
        ...over,
      };
      return deployer.deploy(request);
    },
    async restart() {
      await deployer.close();
      deployer = open();
    },
    async close() {
      await deployer.close();
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
