/** The rules about everything that is not code: what leaks into texts, and what the packages bring along. */
import { type Finding, isSample } from './source-rules.ts';
import type { RepoFile } from './tracked-files.ts';

interface Leak {
  readonly what: string;
  readonly pattern: RegExp;
  readonly text: string;
}

const LEAKS: readonly Leak[] = [
  {
    what: 'machine-path',
    pattern: /(?<![\w.}~-])\/(?:home|Users|root|work|workspace)\/[\w.-]+/,
    text: 'names a path of one machine',
  },
  {
    what: 'registry-host',
    pattern:
      /\b(?:registry|proxy|index|files)\.(?:npmjs|yarnpkg|npmmirror|golang|pypi|pythonhosted)\.\w+|\bpypi\.org\b/,
    text: 'names a package registry: which one to use is the setting of each machine',
  },
];

/** Machine paths and registry hosts. Lock files have a rule of their own. */
export function checkLeaks(files: readonly RepoFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    if (isLock(file.path)) continue;
    for (const [index, line] of file.text.split('\n').entries()) {
      for (const leak of LEAKS) {
        const found = leak.pattern.exec(line);
        if (found === null) continue;
        findings.push({
          rule: leak.what,
          file: file.path,
          line: index + 1,
          what: found[0],
          text: `${found[0]} ${leak.text}`,
        });
      }
    }
  }
  return findings;
}

interface LockEntry {
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * No install scripts (npm 12 blocks them), no addresses of one registry, and no gaps: when a registry does not (yet)
 * have a package of another system, npm leaves it out of the lock, and `npm ci` then refuses the lock elsewhere.
 */
export function checkLocks(files: readonly RepoFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files.filter((entry) => isLock(entry.path))) {
    const lock = JSON.parse(file.text) as { packages?: Record<string, LockEntry> };
    for (const [where, entry] of Object.entries(lock.packages ?? {})) {
      const name = where.replace(/^.*node_modules\//, '');
      if (entry.hasInstallScript === true) {
        const text = `${name} needs an install script, which npm may not run`;
        findings.push({ rule: 'install-script', file: file.path, line: 1, what: name, text });
      }
      if (entry.resolved !== undefined && entry.link !== true) {
        const text = `${name} is bound to one address ("resolved"): install with this folder's .npmrc`;
        findings.push({ rule: 'resolved', file: file.path, line: 1, what: name, text });
      }
      for (const optional of Object.keys(entry.optionalDependencies ?? {})) {
        if (where === '' || isLocked(lock.packages ?? {}, where, optional)) continue;
        const text = `${optional}, which ${name} names for some system, is missing: take a version that is complete`;
        findings.push({ rule: 'incomplete-lock', file: file.path, line: 1, what: optional, text });
      }
    }
  }
  return findings;
}

/** Whether a package that `where` depends on is in the lock: beside it or further up, as Node.js would look for it. */
function isLocked(packages: Readonly<Record<string, LockEntry>>, where: string, name: string): boolean {
  for (let folder = where; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (Object.hasOwn(packages, `${folder === '' ? '' : `${folder}/`}node_modules/${name}`)) return true;
    if (folder === '') return false;
  }
}

const EXACT = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;
const DEPENDENCY_KEYS = ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides'] as const;

/** Every dependency names one exact version, so that each install gives the same tree and a change is a commit. */
export function checkPins(files: readonly RepoFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    if (!/(?:^|\/)package\.json$/.test(file.path) || isSample(file.path)) continue;
    const manifest = JSON.parse(file.text) as Record<string, Record<string, unknown> | undefined>;
    for (const key of DEPENDENCY_KEYS) {
      for (const [name, range] of Object.entries(manifest[key] ?? {})) {
        if (typeof range === 'string' && EXACT.test(range)) continue;
        const text = `${key}.${name} is ${JSON.stringify(range)}, not one exact version`;
        findings.push({ rule: 'unpinned', file: file.path, line: 1, what: name, text });
      }
    }
  }
  return findings;
}

/** Marks of work that is not finished, in texts; code has its own rule, which looks at comments alone. */
export function checkTextComments(files: readonly RepoFile[]): Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    if (!/\.(?:md|ya?ml|sql|css|html|sh)$|^\.ci\//.test(file.path)) continue;
    for (const [index, line] of file.text.split('\n').entries()) {
      const word = /\b(?:TODO|FIXME|XXX|HACK)\b(?=:|\s*$|\()/.exec(line)?.[0];
      if (word === undefined) continue;
      const text = `${word}: finish it, or write down the limit`;
      findings.push({ rule: 'unfinished', file: file.path, line: index + 1, what: word, text });
    }
  }
  return findings;
}

function isLock(path: string): boolean {
  return /(?:^|\/)package-lock\.json$/.test(path) && !isSample(path);
}
