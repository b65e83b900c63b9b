import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { parseArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { EXIT } from './exit-code.ts';

const command: Command = {
  name: 'demo',
  summary: '',
  positionals: [{ name: 'NAME', required: true }],
  options: {
    port: { kind: 'text', short: 'p', text: '' },
    follow: { kind: 'flag', short: 'f', text: '' },
    host: { kind: 'list', text: '' },
  },
  examples: [],
  run: async () => EXIT.ok,
};

function refusal(
  args: string[],
  read: (parsed: ReturnType<typeof parseArguments>) => unknown = () => {},
): LambentError {
  try {
    read(parseArguments(command, args));
  } catch (thrown) {
    assert.ok(thrown instanceof LambentError);
    assert.equal(thrown.code, 'E_USAGE');
    return thrown;
  }
  throw new assert.AssertionError({ message: `accepted ${args.join(' ')}` });
}

describe('parseArguments', () => {
  it('reads flags, texts, lists and positionals, in any order', () => {
    const args = parseArguments(command, ['--host', 'a', 'x', '-f', '--port=80', '--host=b']);
    assert.deepEqual(args.positionals, ['x']);
    assert.equal(args.flag('follow'), true);
    assert.equal(args.wholeNumber('port', 1, 100), 80);
    assert.deepEqual(args.list('host'), ['a', 'b']);
    assert.equal(args.text('absent'), undefined);
  });

  it('takes what follows -- as it is', () => {
    assert.deepEqual(parseArguments(command, ['--', '--port']).positionals, ['--port']);
  });

  it('names the nearest option', () => {
    const error = refusal(['x', '--prot', '1']);
    assert.match(error.message, /`lambent demo` has no option --prot/);
    assert.match(error.hint, /Did you mean --port\?/);
    assert.match(refusal(['x', '--foll']).hint, /--follow/);
    assert.doesNotMatch(refusal(['x', '--zzzzzz']).hint, /Did you mean/);
    assert.match(refusal(['x', '-z']).message, /no option -z/);
  });

  it('refuses a missing value, a value too many, and positionals that are missing or surplus', () => {
    assert.match(refusal(['x', '--port']).message, /--port needs a value/);
    assert.match(refusal(['x', '--port', '--follow']).message, /--port needs a value/);
    assert.match(refusal(['x', '-p', '-1']).message, /-p needs a value/);
    assert.match(refusal(['x', '--follow=1']).message, /--follow takes no value/);
    assert.match(refusal([]).message, /needs NAME/);
    assert.match(refusal(['x', 'y']).message, /does not know what to do with "y"/);
  });

  it('refuses numbers out of range and words that are not among the choices', () => {
    for (const given of ['0', '101', '1.5', 'x', '', ' 1', '1e2', '99999999999999999999']) {
      const error = refusal(['x', `--port=${given}`], (args) => args.wholeNumber('port', 1, 100));
      assert.match(error.hint, /whole number from 1 to 100/);
    }
    const error = refusal(['x', '--port', 'prety'], (args) => args.choice('port', ['pretty', 'json']));
    assert.match(error.hint, /one of pretty, json\. Did you mean pretty\?/);
  });
});
