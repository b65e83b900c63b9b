import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LambentError } from '../base/errors.ts';
import type { AppName, FunctionVersion } from '../model/function.ts';
import type { AppPlan, FunctionPlan } from '../model/manifest.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { BuildLine } from '../ports/deployer.ts';
import type { AppPlace, AppState, BuildCache, CachedBuild } from './build/build-cache.ts';
import type { Builder } from './build/builder.ts';
import { canonicalJson, versionIdOf } from './version-id.ts';

/** Functions of one app in work at the same time: enough to store some while others are built. */
export const FUNCTIONS_PARALLEL_MAX = 8;
/** Failed functions that one error tells of. */
const FAILURES_SHOWN_MAX = 5;
/** Functions that get a line of their own; of larger apps only what is out of the ordinary is told. */
const LINES_FUNCTIONS_MAX = 50;

export interface BuildAppOptions {
  readonly place: AppPlace;
  /** Where folders of builds are made until the blob store takes them over. */
  readonly buildsDir: string;
  readonly builder: Builder;
  readonly cache: BuildCache;
  readonly blobs: BlobStore;
  readonly tell: (step: BuildLine['step'], text: string) => void;
}

/**
 * Builds and stores all functions of an app, in the plan's order. When some fail, no further ones are begun and
 * the error tells of all that failed.
 */
export async function buildApp(plan: AppPlan, options: BuildAppOptions): Promise<FunctionVersion[]> {
  const { place, cache, tell } = options;
  const state = await cache.look(place);
  const versions = new Array<FunctionVersion>(plan.functions.length);
  const failures: LambentError[] = [];
  let reused = 0;
  const waiting = plan.functions.entries();
  const work = async (): Promise<void> => {
    for (const [at, each] of waiting) {
      if (failures.length > 0) return;
      try {
        const { code, entry, wasBuilt } = await buildOne(plan.app, each, state, options);
        if (!wasBuilt) reused += 1;
        else if (plan.functions.length <= LINES_FUNCTIONS_MAX)
          tell('build', `${each.name} from ${each.entry}`);
        const { name, handler, config } = each;
        const version = { app: plan.app, name, runtime: 'node', code, entry, handler, config } as const;
        versions[at] = { id: versionIdOf(version), ...version };
      } catch (thrown) {
        if (!(thrown instanceof LambentError)) throw thrown;
        failures.push(thrown);
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: FUNCTIONS_PARALLEL_MAX }, work));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  if (failures.length > 0) throw joined(failures);
  if (reused > 0) tell('build', `${reused} of ${plan.functions.length} unchanged`);
  return versions;
}

async function buildOne(
  app: AppName,
  { name, entry, external, include }: FunctionPlan,
  state: AppState,
  options: BuildAppOptions,
): Promise<CachedBuild & { readonly wasBuilt: boolean }> {
  const { place, buildsDir, builder, cache, blobs, tell } = options;
  const key = `${app}/${name}`;
  const optionsKey = canonicalJson({ entry, external, include, upload: place.isPrivate });
  const known = await cache.find(key, optionsKey, state);
  if (known !== undefined && (await blobs.locate(known.code)) !== undefined)
    return { ...known, wasBuilt: false };
  const outDir = await mkdtemp(join(buildsDir, 'build-'));
  try {
    const output = await builder.build({
      folder: place.folder,
      entry,
      external,
      include,
      outDir,
      modulesDir: place.modulesDir,
      confined: place.isPrivate,
    });
    for (const remark of output.remarks) tell('build', `${name}: ${remark}`);
    const build = { code: await blobs.adopt(outDir), entry: output.entry };
    await cache.remember(key, optionsKey, state, output.inputs, build);
    return { ...build, wasBuilt: true };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}

/** One error for all functions that failed; functions that share a broken file tell of it once. */
function joined(failures: readonly LambentError[]): LambentError {
  const first = failures[0]!;
  const messages = [...new Set(failures.map(({ message }) => message))];
  if (messages.length === 1) return first;
  const shown = messages.slice(0, FAILURES_SHOWN_MAX);
  if (messages.length > shown.length) shown.push(`… and ${messages.length - shown.length} more`);
  return new LambentError(first.code, shown.join('\n\n'), {
    hint: first.hint,
    ...(first.details === undefined ? {} : { details: first.details }),
  });
}
