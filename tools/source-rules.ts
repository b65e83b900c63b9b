/** The rules about code: each reads the same facts and answers findings. */
import { CODE_FOLDERS, isTestFile, layerOf, refuseImport, refusePackage } from './layers.ts';
import { buildModuleGraph, findCycles, type ModuleGraph, reachableFrom } from './module-graph.ts';
import { readSourceFacts, type SourceFacts } from './source-facts.ts';
import type { RepoFile } from './tracked-files.ts';

export interface Finding {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  /** What an allowance must name to accept it. */
  readonly what: string;
  readonly text: string;
}

export interface CodeBase {
  readonly paths: ReadonlySet<string>;
  readonly facts: ReadonlyMap<string, SourceFacts>;
  readonly graph: ModuleGraph;
}

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

/** What is forbidden where. A use matches by its exact name, or by `name.*`. */
interface Ban {
  readonly uses: readonly string[];
  readonly where: RegExp;
  readonly instead: string;
}

const PLATFORM = /^src\//;
const BANS: readonly Ban[] = [
  {
    uses: ['Date.now', 'new Date()', 'performance.now', 'process.hrtime', 'process.hrtime.bigint'],
    where: PLATFORM,
    instead: 'take a Clock (src/base/clock.ts)',
  },
  {
    uses: ['setTimeout', 'setInterval', 'setImmediate', 'AbortSignal.timeout'],
    where: PLATFORM,
    instead: 'take a Clock (src/base/clock.ts)',
  },
  {
    uses: [
      'Math.random',
      'crypto.*',
      'import randomUUID',
      'import randomBytes',
      'import randomInt',
      'import randomFill',
      'import randomFillSync',
      'import getRandomValues',
    ],
    where: PLATFORM,
    instead: 'take a Random (src/base/random.ts)',
  },
  { uses: ['console.*'], where: /^src\/(?!cli\/)|^sdk\//, instead: 'take a Log (src/base/log.ts)' },
  {
    uses: ['process.exit', 'process.abort', 'process.reallyExit'],
    where: /^src\/(?!cli\/)|^sdk\//,
    instead: 'throw, and let the command decide how the program ends',
  },
  { uses: ['eval', 'Function'], where: /^(?:src|sdk|bin|tools|bench|test)\//, instead: 'write the code out' },
  { uses: ['any'], where: /./, instead: 'say what it is, or take `unknown` and parse it' },
];

export function isCode(path: string): boolean {
  return /\.(?:tsx?|js|mjs|cjs)$/.test(path) && CODE_FOLDERS.includes(path.split('/')[0]!) && !isSample(path);
}

/** Users' code that tests deploy: broken on purpose, or in any style. */
export function isSample(path: string): boolean {
  return /(?:^|\/)(?:fixtures|templates|examples)\//.test(path);
}

export function readCodeBase(files: readonly RepoFile[]): CodeBase {
  const facts = new Map(
    files
      .filter((file) => isCode(file.path))
      .map((file) => [file.path, readSourceFacts(file.path, file.text)]),
  );
  const paths = new Set(files.map((file) => file.path));
  return { paths, facts, graph: buildModuleGraph(paths, facts) };
}

/** Imports that leave their layer, or that name a file that does not exist. */
export function checkLayers(code: CodeBase): Finding[] {
  const findings: Finding[] = [];
  for (const [file, edges] of code.graph.imports) {
    for (const { to, typeOnly, line } of edges) {
      if (isSample(to)) continue;
      const refusal = code.paths.has(to)
        ? refuseImport(file, to, typeOnly)
        : `there is no file ${to} (imports name the file with its .ts)`;
      if (refusal !== undefined) findings.push({ rule: 'layer', file, line, what: to, text: refusal });
    }
  }
  for (const [file, fact] of code.facts) {
    for (const { specifier, line } of fact.imports) {
      if (/^[.]|^node:/.test(specifier)) continue;
      const packageName = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      const refusal = refusePackage(file, packageName);
      if (refusal !== undefined)
        findings.push({ rule: 'layer', file, line, what: packageName, text: refusal });
    }
  }
  return findings;
}

export function checkCycles(code: CodeBase): Finding[] {
  return findCycles(code.graph).map((group) => ({
    rule: 'cycle',
    file: group[0]!,
    line: 1,
    what: group.join(' '),
    text: `these files import one another in a circle: ${group.join(', ')}`,
  }));
}

export function checkSizes(code: CodeBase): Finding[] {
  const findings: Finding[] = [];
  for (const [file, fact] of code.facts) {
    if (fact.lines > FILE_LINES_MAX) {
      const text = `the file has ${fact.lines} lines; ${FILE_LINES_MAX} is the most`;
      findings.push({ rule: 'file-size', file, line: 1, what: '*', text });
    }
    for (const { name, line, lines } of fact.functions) {
      if (lines <= FUNCTION_LINES_MAX) continue;
      const text = `the function ${name} has ${lines} lines; ${FUNCTION_LINES_MAX} is the most`;
      findings.push({ rule: 'function-size', file, line, what: name, text });
    }
  }
  return findings;
}

export function checkBans(code: CodeBase): Finding[] {
  const findings: Finding[] = [];
  for (const [file, fact] of code.facts) {
    const bans = BANS.filter(
      (ban) => ban.where.test(file) && (!isTestFile(file) || ban.uses.includes('any')),
    );
    for (const { name, line } of fact.uses) {
      const ban = bans.find(({ uses }) => uses.some((use) => matchesUse(use, name)));
      if (ban === undefined) continue;
      const text = `${name} is not used here: ${ban.instead}`;
      findings.push({ rule: 'banned-call', file, line, what: name, text });
    }
    for (const { specifier, line } of fact.imports) {
      if (!/^node:timers/.test(specifier) || !PLATFORM.test(file) || isTestFile(file)) continue;
      const text = `${specifier} is not used here: take a Clock (src/base/clock.ts)`;
      findings.push({ rule: 'banned-call', file, line, what: specifier, text });
    }
  }
  return findings;
}

function matchesUse(use: string, name: string): boolean {
  if (use.endsWith('.*')) return name.startsWith(use.slice(0, -1));
  // A property of a watched function counts too: `setTimeout.call(…)`.
  return name === use || name.startsWith(`${use}.`);
}

/** Where programs start: everything else in the code must be reached from here. */
function entriesOf(code: CodeBase): string[] {
  const fixed =
    /^bin\/|^src\/(?:cli|server)\/main\.ts$|^runtimes\/[^/]+\/main\.ts$|^sdk\/[^/]+\/index\.ts$|^console\/main\.tsx$/;
  return [...code.facts.keys()].filter(
    (path) =>
      fixed.test(path) || /^sim\/sim\.ts$|^test\/chaos\/run\.ts$|^(?:tools|bench)\/[^/]+\.ts$/.test(path),
  );
}

export function checkDeadFiles(code: CodeBase): Finding[] {
  const entries = entriesOf(code);
  const tests = [...code.facts.keys()].filter((path) => /\.test\.ts$/.test(path));
  const alive = reachableFrom(code.graph, entries);
  const tested = reachableFrom(code.graph, tests);
  const findings: Finding[] = [];
  for (const file of code.facts.keys()) {
    if (alive.has(file) || isTestFile(file)) {
      if (alive.has(file) || tested.has(file)) continue;
      findings.push({
        rule: 'dead-file',
        file,
        line: 1,
        what: '*',
        text: 'no test and no program imports it',
      });
    } else if (tested.has(file)) {
      const text = 'only tests reach it: delete it, or say in tools/allow-list.ts why it stays';
      findings.push({ rule: 'test-only', file, line: 1, what: '*', text });
    } else {
      findings.push({ rule: 'dead-file', file, line: 1, what: '*', text: 'nothing imports it' });
    }
  }
  return findings;
}

/** Words that mean "what I could not name". */
const GRAB_BAGS = /^(?:utils?|common|types|helpers?|misc|shared|lib)$/;
/** Modules and packages of Python (PEP 8), where names with hyphens cannot be imported. */
const PYTHON_NAME = /^_{0,2}[a-z0-9]+(?:_[a-z0-9]+)*(?:__)?(?:\.(?:py|typed))?$/;
const KEBAB = /^(?:[a-z0-9]+(?:-[a-z0-9]+)*)(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/;

export function checkNames(code: CodeBase): Finding[] {
  const findings: Finding[] = [];
  for (const file of code.paths) {
    if (!CODE_FOLDERS.includes(file.split('/')[0]!) || isSample(file)) continue;
    const isPython = /\.(?:py|typed)$/.test(file);
    for (const part of file.split('/')) {
      const stem = part.replace(/\..*$/, '');
      if (GRAB_BAGS.test(stem)) {
        const text = `${part} says nothing: name it after what it holds`;
        findings.push({ rule: 'name', file, line: 1, what: part, text });
      } else if (isPython && PYTHON_NAME.test(part)) continue;
      else if (!KEBAB.test(part.replace(/_test\.go$/, '.go')) && !/^(?:README\.md|\..*)$/.test(part)) {
        findings.push({ rule: 'name', file, line: 1, what: part, text: `${part} is not in kebab-case` });
      }
    }
    if (/\.tsx?$/.test(file) && layerOf(file) === undefined) {
      const text = 'it belongs to no layer of tools/layers.ts';
      findings.push({ rule: 'name', file, line: 1, what: file, text });
    }
  }
  return findings;
}

export function checkComments(code: CodeBase): Finding[] {
  const findings: Finding[] = [];
  for (const [file, fact] of code.facts) {
    for (const { text, line } of fact.comments) {
      const word = /\b(?:TODO|FIXME|XXX|HACK)\b/.exec(text)?.[0];
      if (word === undefined) continue;
      findings.push({
        rule: 'unfinished',
        file,
        line,
        what: word,
        text: `${word}: finish it, or write down the limit`,
      });
    }
  }
  return findings;
}
