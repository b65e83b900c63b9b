/**
 * The style of the house as a test: layers, cycles, sizes, forbidden calls, dead files, names, leaks, packages.
 * Each rule is first shown a small repository that breaks it, so that a rule that has gone blind fails here.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { ALLOWED, type Allowance } from './allow-list.ts';
import { checkLeaks, checkLocks, checkPins, checkTextComments } from './package-rules.ts';
import {
  type CodeBase,
  checkBans,
  checkComments,
  checkCycles,
  checkDeadFiles,
  checkLayers,
  checkNames,
  checkSizes,
  type Finding,
  readCodeBase,
} from './source-rules.ts';
import { type RepoFile, readTrackedFiles } from './tracked-files.ts';

interface Sample {
  /** What is wrong with it. */
  readonly wrong: string;
  readonly files: Readonly<Record<string, string>>;
  /** The finding it must give: the rule, and what the finding names. */
  readonly rule: string;
  readonly what?: string;
}

interface Rule {
  readonly name: string;
  check(files: readonly RepoFile[]): Finding[];
  readonly samples: readonly Sample[];
}

/** Parsing is the slow part, and most rules read the same files. */
const parsed = new WeakMap<readonly RepoFile[], CodeBase>();
const codeOf = (files: readonly RepoFile[]): CodeBase => {
  const code = parsed.get(files) ?? readCodeBase(files);
  parsed.set(files, code);
  return code;
};
const ofCode =
  (check: (code: CodeBase) => Finding[]) =>
  (files: readonly RepoFile[]): Finding[] =>
    check(codeOf(files));
const long = (lines: number): string => '  work();\n'.repeat(lines);
/** Written in two parts, so that this file does not break the rule it tests. */
const join = (...parts: string[]): string => parts.join('');

const one = (path: string, text: string): Record<string, string> => ({ [path]: text });
const banned = (wrong: string, path: string, text: string, what: string): Sample => ({
  wrong,
  files: one(path, text),
  rule: 'banned-call',
  what,
});
const wrongImport = (wrong: string, from: string, to: string, statement?: string): Sample => ({
  wrong,
  files: {
    [from]: statement ?? `import { a } from '${'../'.repeat(from.split('/').length - 1)}${to}';\na();\n`,
    [to]: 'export const a = (): void => {};\n',
  },
  rule: 'layer',
  what: to,
});

const RULES: readonly Rule[] = [
  {
    name: 'imports keep to the layers',
    check: ofCode(checkLayers),
    samples: [
      wrongImport('a room imports a room', 'src/gateway/route.ts', 'src/pool/lease.ts'),
      wrongImport('an adapter imports a room', 'src/store-sqlite/store.ts', 'src/pool/lease.ts'),
      wrongImport('an adapter imports an adapter', 'src/store-sqlite/store.ts', 'src/store-files/blob.ts'),
      wrongImport('a room names an adapter', 'src/pool/lease.ts', 'src/sandbox-process/sandbox.ts'),
      wrongImport(
        'the server outside wire.ts names an adapter',
        'src/server/main.ts',
        'src/store-sqlite/s.ts',
      ),
      wrongImport('the base imports the model', 'src/base/ids.ts', 'src/model/event.ts'),
      wrongImport('a port imports a room', 'src/ports/sandbox.ts', 'src/pool/lease.ts'),
      wrongImport('a room imports the server', 'src/pool/lease.ts', 'src/server/main.ts'),
      wrongImport('a runtime imports the model at run time', 'runtimes/node/main.ts', 'src/model/event.ts'),
      wrongImport('a runtime imports the base', 'runtimes/node/main.ts', 'src/base/ids.ts'),
      wrongImport('the sdk imports a port', 'sdk/node/index.ts', 'src/ports/invoker.ts'),
      wrongImport(
        'a wrong import hides in an import()',
        'src/gateway/route.ts',
        'src/pool/lease.ts',
        "export const load = () => import('../pool/lease.ts');\n",
      ),
      wrongImport(
        'a wrong import hides in a type',
        'src/gateway/route.ts',
        'src/pool/lease.ts',
        "export type A = import('../pool/lease.ts').A;\n",
      ),
      wrongImport(
        'a wrong import hides in a re-export',
        'src/gateway/route.ts',
        'src/pool/lease.ts',
        "export * from '../pool/lease.ts';\n",
      ),
      {
        wrong: 'an import names no file',
        files: one('src/pool/lease.ts', "import './gone.ts';\n"),
        rule: 'layer',
        what: 'src/pool/gone.ts',
      },
      {
        wrong: 'a runtime imports a package',
        files: one('runtimes/node/main.ts', "import { z } from 'zod';\nz();\n"),
        rule: 'layer',
        what: 'zod',
      },
    ],
  },
  {
    name: 'no import cycles',
    check: ofCode(checkCycles),
    samples: [
      {
        wrong: 'three files in a circle, one of the imports for a type only',
        files: {
          'src/pool/a.ts': "import { b } from './b.ts';\nexport type A = number;\nb();\n",
          'src/pool/b.ts': "import { c } from './c.ts';\nexport const b = c;\n",
          'src/pool/c.ts': "import type { A } from './a.ts';\nexport const c = (): A => 1;\n",
        },
        rule: 'cycle',
        what: 'src/pool/a.ts src/pool/b.ts src/pool/c.ts',
      },
    ],
  },
  {
    name: 'files and functions keep their size',
    check: ofCode(checkSizes),
    samples: [
      { wrong: 'a file of 501 lines', files: one('src/pool/a.ts', long(501)), rule: 'file-size' },
      {
        wrong: 'a function of 71 lines',
        files: one('src/pool/a.ts', `export function lease(): void {\n${long(69)}}\n`),
        rule: 'function-size',
        what: 'lease',
      },
      {
        wrong: 'an arrow function of 71 lines',
        files: one('src/pool/a.ts', `export const lease = (): void => {\n${long(69)}};\n`),
        rule: 'function-size',
        what: 'lease',
      },
      {
        wrong: 'a method of 71 lines',
        files: one('src/pool/a.ts', `export class Pool {\n  #lease(): void {\n${long(69)}  }\n}\n`),
        rule: 'function-size',
        what: 'lease',
      },
      {
        wrong: 'one test of 71 lines within a describe',
        files: one(
          'src/pool/a.test.ts',
          `describe('a', () => {\n  test('b', () => {\n${long(69)}  });\n});\n`,
        ),
        rule: 'function-size',
        what: 'anonymous',
      },
    ],
  },
  {
    name: 'no forbidden calls',
    check: ofCode(checkBans),
    samples: [
      banned('the clock', 'src/pool/a.ts', 'export const a = Date.now();\n', 'Date.now'),
      banned('the clock by reference', 'src/pool/a.ts', 'export const now = Date.now;\n', 'Date.now'),
      banned('the clock by new Date()', 'src/pool/a.ts', 'export const a = new Date();\n', 'new Date()'),
      banned('performance.now', 'src/pool/a.ts', 'export const a = performance.now();\n', 'performance.now'),
      banned('a timer', 'src/pool/a.ts', 'setTimeout(() => {}, 1);\n', 'setTimeout'),
      banned('a timer of globalThis', 'src/pool/a.ts', 'globalThis.setInterval(f, 1);\n', 'setInterval'),
      banned(
        'setImmediate handed on',
        'src/pool/a.ts',
        'export const later = setImmediate;\n',
        'setImmediate',
      ),
      banned('timers by import', 'src/pool/a.ts', "import 'node:timers/promises';\n", 'node:timers/promises'),
      banned('randomness', 'src/pool/a.ts', 'export const a = Math.random();\n', 'Math.random'),
      banned(
        'the global crypto',
        'src/pool/a.ts',
        'export const a = crypto.randomUUID();\n',
        'crypto.randomUUID',
      ),
      banned(
        'randomBytes by import',
        'src/pool/a.ts',
        "import { randomBytes as r } from 'node:crypto';\nr(1);\n",
        'import randomBytes',
      ),
      banned('the console in a room', 'src/pool/a.ts', 'console.log(1);\n', 'console.log'),
      banned('process.exit in a room', 'src/pool/a.ts', 'process.exit(1);\n', 'process.exit'),
      banned('eval', 'src/pool/a.ts', "eval('1');\n", 'eval'),
      banned('new Function', 'src/pool/a.ts', "export const f = new Function('1');\n", 'Function'),
      banned('any', 'src/pool/a.ts', 'export const a = (b: any[]): number => b.length;\n', 'any'),
      banned('any in a test', 'src/pool/a.test.ts', 'export const a = (b: any): number => b;\n', 'any'),
    ],
  },
  {
    name: 'no dead files',
    check: ofCode(checkDeadFiles),
    samples: [
      {
        wrong: 'nothing imports a file',
        files: { 'src/server/main.ts': 'export {};\n', 'src/pool/a.ts': 'export {};\n' },
        rule: 'dead-file',
      },
      {
        wrong: 'only a test imports a file',
        files: {
          'src/pool/a.ts': 'export const a = 1;\n',
          'src/pool/a.test.ts': "import { a } from './a.ts';\na;\n",
        },
        rule: 'test-only',
      },
      {
        wrong: 'a conformance suite that no adapter runs',
        files: one('src/ports/conformance/blob-store.ts', 'export {};\n'),
        rule: 'dead-file',
      },
    ],
  },
  {
    name: 'names say something, in kebab-case',
    check: ofCode(checkNames),
    samples: [
      { wrong: 'a grab-bag folder', files: one('src/pool/utils/a.ts', ''), rule: 'name', what: 'utils' },
      { wrong: 'a grab-bag file', files: one('src/pool/helpers.ts', ''), rule: 'name', what: 'helpers.ts' },
      { wrong: 'a type drawer', files: one('src/pool/types.ts', ''), rule: 'name', what: 'types.ts' },
      { wrong: 'camel case', files: one('src/pool/leaseTable.ts', ''), rule: 'name', what: 'leaseTable.ts' },
      {
        wrong: 'snake case',
        files: one('src/pool/lease_table.ts', ''),
        rule: 'name',
        what: 'lease_table.ts',
      },
      { wrong: 'code beside the rooms', files: one('src/main.ts', ''), rule: 'name', what: 'src/main.ts' },
    ],
  },
  {
    name: 'nothing is left unfinished',
    check: (files) => [...checkComments(codeOf(files)), ...checkTextComments(files)],
    samples: [
      {
        wrong: 'in a line comment',
        files: one('src/pool/a.ts', join('export const a = 1; // TO', 'DO later\n')),
        rule: 'unfinished',
      },
      {
        wrong: 'in a docstring',
        files: one('src/pool/a.ts', join('/**\n * FIX', 'ME\n */\nexport const a = 1;\n')),
        rule: 'unfinished',
      },
      { wrong: 'in a document', files: one('docs/a.md', join('TO', 'DO: write\n')), rule: 'unfinished' },
    ],
  },
  {
    name: 'nothing tells of one machine',
    check: checkLeaks,
    samples: [
      {
        wrong: 'a home folder',
        files: one('docs/a.md', join('see /ho', 'me/ann/project\n')),
        rule: 'machine-path',
      },
      {
        wrong: 'a work folder',
        files: one('src/pool/a.ts', join("const a = '/wo", "rk/main';\n")),
        rule: 'machine-path',
      },
      {
        wrong: 'a registry',
        files: one('.npmrc', join('registry=https://registry.', 'npmjs.org/\n')),
        rule: 'registry-host',
      },
    ],
  },
  {
    name: 'lock files run nothing and name no address',
    check: checkLocks,
    samples: [
      {
        wrong: 'an install script',
        files: one('package-lock.json', '{"packages":{"node_modules/a":{"hasInstallScript":true}}}'),
        rule: 'install-script',
        what: 'a',
      },
      {
        wrong: 'an address',
        files: one(
          'package-lock.json',
          '{"packages":{"node_modules/@a/b":{"resolved":"https://a.example/b.tgz"}}}',
        ),
        rule: 'resolved',
        what: '@a/b',
      },
      {
        wrong: 'a system left out',
        files: one(
          'package-lock.json',
          '{"packages":{"node_modules/a":{"optionalDependencies":{"a-linux":"1.0.0","a-darwin":"1.0.0"}},"node_modules/a-linux":{}}}',
        ),
        rule: 'incomplete-lock',
        what: 'a-darwin',
      },
    ],
  },
  {
    name: 'dependencies are pinned',
    check: checkPins,
    samples: [
      {
        wrong: 'a range',
        files: one('package.json', '{"dependencies":{"a":"^1.0.0"}}'),
        rule: 'unpinned',
        what: 'a',
      },
      {
        wrong: 'a tag',
        files: one('bench/package.json', '{"devDependencies":{"a":"latest"}}'),
        rule: 'unpinned',
        what: 'a',
      },
    ],
  },
];

describe('tidy', () => {
  let files: readonly RepoFile[] = [];
  const usedAllowances = new Set<Allowance>();

  before(() => {
    files = readTrackedFiles();
  });

  for (const rule of RULES) {
    describe(rule.name, () => {
      for (const sample of rule.samples) {
        test(`it notices ${sample.wrong}`, () => {
          const found = rule.check(Object.entries(sample.files).map(([path, text]) => ({ path, text })));
          const wanted = `${sample.rule} ${sample.what ?? ''}`;
          const same = (finding: Finding): boolean =>
            finding.rule === sample.rule && (sample.what === undefined || finding.what === sample.what);
          assert.ok(found.some(same), `wanted "${wanted}", found ${JSON.stringify(found, null, 2)}`);
        });
      }

      test('the repository keeps to it', () => {
        const found = rule.check(files).filter((finding) => !isAllowed(finding, usedAllowances));
        assert.equal(found.length, 0, found.map(describeFinding).join('\n'));
      });
    });
  }

  test('every exception in tools/allow-list.ts is needed and has a reason', () => {
    const idle = ALLOWED.filter((entry) => !usedAllowances.has(entry) || entry.reason.length < 10);
    assert.deepEqual(idle, []);
  });
});

function isAllowed(finding: Finding, used: Set<Allowance>): boolean {
  const entry = ALLOWED.find(
    ({ rule, file, what }) =>
      rule === finding.rule && file === finding.file && (what === '*' || what === finding.what),
  );
  if (entry !== undefined) used.add(entry);
  return entry !== undefined;
}

function describeFinding({ rule, file, line, text }: Finding): string {
  return `${file}:${line}  ${text}  [${rule}]`;
}
