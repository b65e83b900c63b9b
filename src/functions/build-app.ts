import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LambentError } from '../base/errors.ts';
import type { AppName, FunctionVersion, RuntimeName } from '../model/function.ts';
import type { AppPlan, FunctionPlan } from '../model/manifest.ts';
import type { BlobStore } from '../ports/blob-store.ts';
import type { AppState, BuildCache, CachedBuild } from './build/build-cache.ts';
import type { AppSource, LanguageBuild } from './build/language.ts';
import type { Languages } from './build/languages.ts';
import { canonicalJson, versionIdOf } from './version-id.ts';

/** Functions of one app in work at the same time: enough to store some while others are built. */
export const FUNCTIONS_PARALLEL_MAX = 8;
/** Failed functions that one error tells of. */
const FAILURES_SHOWN_MAX = 5;
/** Functions that get a line of their own; of larger apps only what is out of the ordinary is told. */
const LINES_FUNCTIONS_MAX = 50;

export interface BuildAppOptions {
  readonly source: AppSource;
  /** Where folders of builds are made until the blob store takes them over. */
  readonly buildsDir: string;
  readonly languages: Languages;
  readonly cache: BuildCache;
  readonly blobs: BlobStore;
  /** Leave out functions whose language this machine lacks, instead of failing. */
  readonly partial: boolean;
}

/**
 * Builds and stores all functions of an app, in the plan's order. When some fail, no further ones are begun and
 * the error tells of all that failed.
 */
export async function buildApp(plan: AppPlan, options: BuildAppOptions): Promise<FunctionVersion[]> {
  const { source, cache, partial } = options;
  const builds = await beginLanguages(plan, options);
  const { modulesDir } = builds.get('node') ?? { modulesDir: undefined };
  const state = await cache.look({ folder: source.folder, modulesDir, isPrivate: source.confined });
  const versions = new Array<FunctionVersion | undefined>(plan.functions.length);
  const failures: LambentError[] = [];
  const lacking: LambentError[] = [];
  let reused = 0;
  const waiting = plan.functions.entries();
  const work = async (): Promise<void> => {
    for (const [at, each] of waiting) {
      if (failures.length > 0) return;
      try {
        const { version, wasBuilt } = await buildOne(
          plan.app,
          each,
          builds.get(each.runtime)!,
          state,
          options,
        );
        if (!wasBuilt) reused += 1;
        else if (plan.functions.length <= LINES_FUNCTIONS_MAX)
          source.tell('build', `${each.name} from ${each.entry}`);
        versions[at] = { id: versionIdOf(version), ...version };
      } catch (thrown) {
        if (!(thrown instanceof LambentError)) throw thrown;
        if (!partial || thrown.code !== 'E_TOOLCHAIN_MISSING') failures.push(thrown);
        else {
          lacking.push(thrown);
          source.tell('skip', `${each.name} is left out: ${thrown.message}. ${thrown.hint}`);
        }
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: FUNCTIONS_PARALLEL_MAX }, work));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  const built = versions.filter((version) => version !== undefined);
  if (failures.length > 0 || built.length === 0) throw joined([...failures, ...lacking]);
  if (reused > 0) source.tell('build', `${reused} of ${plan.functions.length} unchanged`);
  return built;
}

/** What concerns the whole app, in each language that occurs in it. */
async function beginLanguages(
  plan: AppPlan,
  { languages, source }: BuildAppOptions,
): Promise<ReadonlyMap<RuntimeName, LanguageBuild>> {
  const runtimes = new Set(plan.functions.map(({ runtime }) => runtime));
  const begun = [...runtimes].map(
    async (runtime) => [runtime, await languages[runtime].begin(source)] as const,
  );
  return new Map(await Promise.all(begun));
}

async function buildOne(
  app: AppName,
  plan: FunctionPlan,
  language: LanguageBuild,
  state: AppState,
  { source, buildsDir, cache, blobs }: BuildAppOptions,
): Promise<{ readonly version: Omit<FunctionVersion, 'id'>; readonly wasBuilt: boolean }> {
  const { name, runtime, entry, handler, config, external, include } = plan;
  const { pin, packages, cacheKey, build } = await language.plan(plan);
  const versionOf = (built: CachedBuild) => ({
    app,
    name,
    runtime,
    runtimePin: pin,
    code: built.code,
    packages,
    entry: built.entry,
    handler,
    config,
  });
  const key = `${app}/${name}`;
  const optionsKey = canonicalJson({ entry, external, include, upload: source.confined, pin, cacheKey });
  const known = await cache.find(key, optionsKey, state);
  if (known !== undefined && (await blobs.locate(known.code)) !== undefined)
    return { version: versionOf(known), wasBuilt: false };
  const outDir = await mkdtemp(join(buildsDir, 'build-'));
  try {
    const output = await build(outDir);
    for (const remark of output.remarks) source.tell('build', `${name}: ${remark}`);
    const built = { code: await blobs.adopt(outDir, output.derived), entry: output.entry };
    await cache.remember(key, optionsKey, state, output.inputs, built);
    return { version: versionOf(built), wasBuilt: true };
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
