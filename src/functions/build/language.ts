/**
 * What the platform must know of a language to build its functions: one implementation a language, and `languages.ts`
 * lists them. A deploy begins with each language that occurs in the app (`begin`: what concerns the whole app, such
 * as installing packages), then asks it for each function (`plan`: which toolchain), and builds those that changed.
 *
 * Guaranteed to an implementation: nothing of one app is asked after its deploy has ended; `outDir` is empty and its
 * own. Expected of it: the output depends on the sources, the plan and the pin alone; tools run through `runTool`;
 * nobody's install script runs that the manifest does not allow by name; what is missing on this machine is
 * `E_TOOLCHAIN_MISSING` with the one command that brings it.
 */
import type { AppName, BlobDigest, RuntimeName } from '../../model/function.ts';
import type { FunctionPlan } from '../../model/manifest.ts';
import type { BuildBench } from './build-bench.ts';
import type { BuildOutput } from './build-job.ts';

export interface Language {
  readonly runtime: RuntimeName;
  /** Called once for a deploy of an app with functions of this language. Rejects with `E_DEPENDENCIES_FAILED`. */
  begin(source: AppSource): Promise<LanguageBuild>;
  /** Functions of it are live: what the next deploy will ask of the machine, and is slow to find out, may be asked now. */
  foresee?(): void;
  /** Ends what it runs; builds that are under way are rejected with `E_SHUTTING_DOWN`. */
  close?(): Promise<void>;
}

/** The app that is deployed. */
export interface AppSource {
  readonly app: AppName;
  /** Absolute real path; only read. */
  readonly folder: string;
  /** True for uploads: nothing outside of the folder may be read. */
  readonly confined: boolean;
  /** Packages whose code may run while they are installed, by the manifest. */
  readonly allowScripts: readonly string[];
  /** Ends tools that run when the platform stops. */
  readonly signal: AbortSignal;
  /** Where its tools are contained; `undefined`: they run as the platform's user. */
  bench(): Promise<BuildBench | undefined>;
  /** A line for the person who waits. */
  tell(step: 'install' | 'build' | 'tool' | 'skip', text: string): void;
}

export interface LanguageBuild {
  /** Absolute path of a folder beside the app that packages were installed into and builds read. */
  readonly modulesDir: string | undefined;
  /** Settles what a function is built with. Rejects with `E_TOOLCHAIN_MISSING`. */
  plan(plan: FunctionPlan): Promise<PlannedBuild>;
}

export interface PlannedBuild {
  /** The exact toolchain, as `node 26.10.0`: part of the version's identity and of the cache's key. */
  readonly pin: string;
  /** The blob with its installed packages, where they are not part of the code. */
  readonly packages: BlobDigest | undefined;
  /** Whatever else decides the output and is neither a file of the app nor in its plan. */
  readonly cacheKey: string;
  /** Writes what runs into `outDir`. Rejects with `E_BUILD_FAILED`, its message naming file and line. */
  build(outDir: string): Promise<BuildOutput>;
}
