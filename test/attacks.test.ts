/** The list of attacks, and with it the page about isolation, says what the tests do: no more, and no less. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { withAttackTable } from '../tools/attack-table.ts';
import { ATTACKS, OTHER_TESTS } from './attacks.ts';
import { REPOSITORY } from './platform-harness.ts';

/** Files of tests, by what runs there. */
const SUITES = {
  node: 'test/isolation.test.ts',
  others: 'test/isolation-languages.test.ts',
  layers: 'src/sandbox-namespaces/layers.test.ts',
  builds: 'src/functions/build/contained-tool.test.ts',
} as const;

const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8');

/** The tests of a suite: title and text. */
function testsOf(suite: keyof typeof SUITES): Map<string, string> {
  const parts = read(SUITES[suite]).split(/^\s*it\(/m);
  return new Map(
    parts.slice(1).map((text) => {
      const title = /^(['`])(.*?)\1,/.exec(text)?.[2];
      assert.ok(title !== undefined, `a test without a title that can be read: ${text.slice(0, 80)}`);
      // Of many that are made by a loop.
      return [title.replace(/\$\{\w+\}/, '…'), text];
    }),
  );
}

describe('the list of attacks', () => {
  it('is the table in docs/isolation.md (otherwise: npm run docs)', () => {
    const page = read('docs/isolation.md');
    assert.equal(page, withAttackTable(page));
  });

  it('names tests that are there, with controls that they have', () => {
    const layers = testsOf('layers');
    for (const attack of ATTACKS) {
      const texts = (['node', 'others', 'builds'] as const).flatMap((suite) =>
        (attack[suite] ?? []).map((title) => {
          const text = testsOf(suite).get(title);
          assert.ok(text !== undefined, `${SUITES[suite]} has no test "${title}"`);
          return text;
        }),
      );
      assert.ok(texts.length > 0, attack.tries);
      const { control } = attack;
      if (control === 'plain')
        assert.ok(
          texts.some((text) => /platform: plain|run\(undefined/.test(text)),
          `${attack.tries}: no control`,
        );
      else if (control === 'wide')
        for (const text of texts)
          assert.match(text, /(diskMb|memoryMb|tasksMax): [\d_]+ \}\)[\s\S]*\1: /, attack.tries);
      else if (control !== undefined) assert.ok(layers.has(control.layer), control.layer);
    }
  });

  it('has all of them', () => {
    const listed = new Set(OTHER_TESTS);
    for (const { node = [], others = [], builds = [], control } of ATTACKS) {
      for (const title of [...node, ...others, ...builds]) listed.add(title);
      if (typeof control === 'object') listed.add(control.layer);
    }
    for (const suite of Object.keys(SUITES) as (keyof typeof SUITES)[])
      for (const title of testsOf(suite).keys())
        assert.ok(listed.has(title), `"${title}" is not in the list`);
  });
});
