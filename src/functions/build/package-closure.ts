import { dirname, join } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import { findPackage, packageFacts } from './installed-packages.ts';

/** The most packages that are copied along for one function. */
const PACKAGES_MAX = 2_000;

/** A package and where it goes. */
export interface PlacedPackage {
  readonly name: string;
  /** Absolute real path. */
  readonly dir: string;
  /** Relative to the target: `node_modules/a` or `node_modules/b/node_modules/a`. */
  readonly to: string;
}

/**
 * Lays out packages with all their production dependencies as plain folders that Node.js resolves the same way,
 * whatever way (npm, pnpm's links, yarn) they were installed. A dependency goes to the top unless another
 * version is there already; then it goes below the package that wants it.
 */
export function planPackages(
  roots: readonly { readonly name: string; readonly dir: string }[],
  modulesDir: string | undefined,
): PlacedPackage[] {
  const placed = new Map<string, PlacedPackage>();
  const waiting: PlacedPackage[] = [];
  const place = (name: string, dir: string, to: string): void => {
    const entry = { name, dir, to };
    placed.set(to, entry);
    waiting.push(entry);
    if (placed.size > PACKAGES_MAX)
      throw new LambentError(
        'E_BUILD_FAILED',
        `more than ${PACKAGES_MAX} packages would have to be copied along, starting from \`${roots[0]?.name}\``,
        { hint: 'Take packages without native code out of `external`.' },
      );
  };
  for (const { name, dir } of roots) {
    const to = `node_modules/${name}`;
    const there = placed.get(to);
    if (there === undefined) place(name, dir, to);
    else if (there.dir !== dir) throw twoVersions(name, there.dir, dir);
  }
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { dependencies, optionalDependencies } = packageFacts(next.dir);
    for (const name of [...dependencies, ...optionalDependencies].toSorted()) {
      const dir = findPackage(name, next.dir, modulesDir);
      if (dir === undefined) {
        if (!dependencies.includes(name)) continue;
        throw new LambentError(
          'E_BUILD_FAILED',
          `\`${next.name}\` needs the package \`${name}\`, which is not installed`,
          {
            hint: 'Run `npm install` in the folder.',
            details: { package: name },
          },
        );
      }
      const seen = lookUp(placed, next.to, name);
      if (seen?.dir === dir) continue;
      place(name, dir, seen === undefined ? `node_modules/${name}` : `${next.to}/node_modules/${name}`);
    }
  }
  return [...placed.values()].toSorted((left, right) => (left.to < right.to ? -1 : 1));
}

/** What Node.js would find for `name` from the package at `from`, in the layout so far. */
function lookUp(
  placed: ReadonlyMap<string, PlacedPackage>,
  from: string,
  name: string,
): PlacedPackage | undefined {
  for (let dir = from; dir !== '.'; dir = dirname(dir)) {
    if (dir.endsWith('node_modules')) continue;
    const found = placed.get(join(dir, 'node_modules', name));
    if (found !== undefined) return found;
  }
  return placed.get(`node_modules/${name}`);
}

function twoVersions(name: string, first: string, second: string): LambentError {
  const versions = [first, second].map((dir) => packageFacts(dir).version).join(' and ');
  return new LambentError(
    'E_BUILD_FAILED',
    `two copies of the package \`${name}\` (${versions}) are used, and it cannot be bundled`,
    { hint: `Make it one version; \`npm ls ${name}\` shows who wants which.`, details: { package: name } },
  );
}
