import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { DocRun, isAsPrinted, readDocBlocks, readDocCommands } from './doc-examples.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const DOCUMENTS = ['README.md', ...globSync('docs/*.md', { cwd: ROOT })].sort();
/** Documents whose examples need more than the platform itself, with what is missing here. */
const SKIPPED: Readonly<Record<string, string | false>> = { 'docs/go.md': WITHOUT_GO };

/** Of one document: all of them together take as long as they are many. */
const DOCUMENT_MS = 170_000;

describe('the examples in the documents', () => {
  for (const document of DOCUMENTS) {
    const blocks = readDocBlocks(readFileSync(join(ROOT, document), 'utf8'));
    if (blocks.length === 0) continue;
    test(`${document} does what it says`, {
      timeout: DOCUMENT_MS,
      skip: SKIPPED[document] ?? false,
    }, async () => {
      const run = await DocRun.begin();
      try {
        for (const block of blocks) {
          await run.follow(block).catch((error: unknown) => {
            throw new Error(`${document}:${block.line}: ${error instanceof Error ? error.message : error}`);
          });
        }
      } finally {
        await run.end();
      }
    });
  }

  test('the README has a tour', () => {
    const blocks = readDocBlocks(readFileSync(join(ROOT, 'README.md'), 'utf8'));
    assert.ok(blocks.filter((block) => block.kind === 'commands').length >= 5);
  });
});

describe('links in the documents', () => {
  for (const document of [...globSync('*.md', { cwd: ROOT }), ...globSync('docs/**/*.md', { cwd: ROOT })]) {
    test(`${document} links to what exists`, () => {
      const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
      const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1]!);
      const missing = targets.filter((target) => !existsSync(join(ROOT, dirname(document), target)));
      assert.deepEqual(missing, []);
    });
  }
});

describe('how examples are read', () => {
  test('blocks with the mark take part, others do not', () => {
    const markdown = [
      '```console test',
      '$ a',
      '```',
      '```sh',
      'b',
      '```',
      '```js test x/y.js',
      'c',
      '```',
      '```console test server',
      '$ d',
      '```',
    ].join('\n');
    assert.deepEqual(readDocBlocks(markdown), [
      { kind: 'commands', line: 1, text: '$ a', path: '' },
      { kind: 'file', line: 7, text: 'c', path: 'x/y.js' },
      { kind: 'server', line: 10, text: '$ d', path: 'server' },
    ]);
  });

  test('commands are told from what they print', () => {
    assert.deepEqual(readDocCommands('$ a\n1\n2\n\n$ b\n> c\n$ d\n4'), [
      { command: 'a', prints: '1\n2\n' },
      { command: 'b\nc', prints: undefined },
      { command: 'd', prints: '4' },
    ]);
  });

  test('what is printed is compared, but for the dots', () => {
    assert.equal(isAsPrinted('took … ms', 'took 12 ms\n'), true);
    assert.equal(isAsPrinted('a\n…\nz', 'a\nb\nc\nz'), true);
    assert.equal(isAsPrinted('took … ms', 'took 12 s\n'), false);
    assert.equal(isAsPrinted('{"a":1}', '{"a":12}'), false);
  });

  test('a command that fails, or prints something else, is noticed', async () => {
    const run = await DocRun.begin();
    const follow = (text: string) => run.follow({ kind: 'commands', line: 1, text, path: '' });
    try {
      await follow('$ echo one\none\n$ true');
      await assert.rejects(follow('$ echo two\none'), /printed\ntwo/);
      await assert.rejects(follow('$ exit 3'), /ended with 3/);
    } finally {
      await run.end();
    }
  });
});
