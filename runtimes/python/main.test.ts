import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { failToStart, PYTHON_COMMAND, startPython } from '../conformance/python-instance.ts';

describe('output of Python', { timeout: 30_000 }, () => {
  it('keeps its level, and belongs to its invocation', async () => {
    await using instance = await startPython('logs.py');
    assert.equal(instance.logText(0), 'while loading');
    const { stream } = await instance.event({ name: 'levels' }).end();
    const lines = instance.logs.filter((entry) => entry.stream === stream);
    assert.deepEqual(
      lines.slice(0, 7).map(({ from, severity, text }) => [from, severity, text]),
      [
        ['stderr', 'debug', 'd'],
        ['stderr', 'info', 'i'],
        ['stderr', 'warn', 'w'],
        ['stderr', 'error', 'e'],
        ['stderr', 'fatal', 'c'],
        ['stdout', 'error', '{"level": "ERROR", "message": "json"}'],
        ['stderr', 'error', 'to stderr'],
      ],
    );
    assert.match(lines[7]?.text ?? '', /be warned/);
  });

  it('has tracebacks whole, and unfinished lines at the end', async () => {
    await using instance = await startPython('logs.py');
    const { stream } = await instance.event({ name: 'exception' }).end();
    assert.match(
      instance.logText(stream),
      /^it broke\nTraceback[\s\S]*in deep\n {4}return 1 \/ 0[\s\S]*ZeroDivisionError/,
    );
    const partial = await instance.event({ name: 'partial' }).end();
    assert.equal(instance.logText(partial.stream), 'no newline');
  });

  it('may be invalid UTF-8, and may come from threads and children', async () => {
    await using instance = await startPython('logs.py');
    const invalid = await instance.event({ name: 'invalid' }).end();
    assert.equal(instance.logText(invalid.stream), 'bad \ufffd\ufffd bytes');
    const threads = await instance.event({ name: 'threads' }).end();
    assert.equal(instance.logText(threads.stream), 'from a thread');
    await instance.event({ name: 'child' }).end();
    await instance.until(() => instance.rawOutput.includes('from a fork'));
    assert.match(instance.rawOutput, /raw . bytes\nfrom a child\nfrom a fork\n/);
  });

  it('has limits, and says what was dropped', async () => {
    await using instance = await startPython('logs.py');
    const long = await instance.event({ name: 'long' }).end();
    assert.match(instance.logText(long.stream), / … \[cut: the line has 80000 bytes\]$/);
    const flood = await instance.event({ name: 'flood' }).end();
    assert.ok(instance.logs.filter(({ stream }) => stream === flood.stream).length <= 5_000);
    instance.drain();
    await instance.until(() => instance.exitCode === 0);
    assert.match(instance.logText(0), /log lines were dropped: the function wrote more than 5000 lines/);
  });
});

describe('code in Python that cannot be loaded', { timeout: 30_000 }, () => {
  for (const [entry, code, type, pattern] of [
    ['nothing.py', 'E_HANDLER_MISSING', 'HandlerMissing', /the module defines value\. Define `def handler/],
    ['syntax_error.py', 'E_BOOT_FAILED', 'SyntaxError', /syntax_error\.py, line 1/],
    ['raises_at_import.py', 'E_BOOT_FAILED', 'OSError', /no database/],
    ['missing_module.py', 'E_BOOT_FAILED', 'ModuleNotFoundError', /surely_not_there/],
    ['exits_at_import.py', 'E_BOOT_FAILED', 'SystemExit', /sys\.exit\('config missing'\)/],
    ['not_there.py', 'E_BOOT_FAILED', 'ModuleNotFoundError', /not_there/],
  ] as const)
    it(`says why: ${entry}`, async () => {
      const { bootFailure, exitCode, logs } = await failToStart(entry);
      assert.deepEqual([bootFailure?.code, bootFailure?.errorType, exitCode], [code, type, 1]);
      assert.match(bootFailure?.errorMessage ?? '', pattern);
      assert.equal(logs.length > 0, true);
    });

  it('names the handler that the manifest asks for', async () => {
    const { bootFailure } = await failToStart('basic.py', { handler: 'run' });
    assert.match(
      bootFailure?.errorMessage ?? '',
      /the module has nothing named run; the module defines .*handler/,
    );
  });
});

describe('the end of a process of Python', { timeout: 30_000 }, () => {
  it('runs what the code registered for it', async () => {
    await using instance = await startPython('ends.py');
    instance.drain();
    await instance.until(() => instance.exitCode !== undefined);
    assert.deepEqual([instance.exitCode, instance.logText()], [0, 'asked to end\nat exit']);
  });

  it('comes with its own words when it crashes', async () => {
    await using exited = await startPython('ends.py');
    exited.event({ how: 'exit' });
    await exited.until(() => exited.exitCode !== undefined);
    assert.deepEqual([exited.exitCode, exited.logText()], [7, 'about to end']);
    await using crashed = await startPython('ends.py');
    crashed.event({ how: 'segfault' });
    await crashed.until(() => crashed.exitCode !== undefined);
    assert.equal(crashed.exitCode, null);
    assert.match(
      crashed.rawOutput,
      /Fatal Python error: Segmentation fault[\s\S]*ends\.py", line \d+ in handler/,
    );
  });

  it('comes when the platform goes away', async () => {
    await using instance = await startPython('async_basic.py');
    instance.event({ name: 'forever' });
    instance.closeChannel();
    await instance.until(() => instance.exitCode !== undefined);
    assert.equal(instance.exitCode, 1);
  });
});

/** Calls that are played to their end, with what fails in them said aloud. */
const REHEARSAL = `
import sys
sys.path.insert(0, sys.argv[1])
from os import environ
from _lambent import rehearse

ended = []
before = dict(environ)

def fail(_stage, _invocation, thrown):
    raise thrown

rehearse._Stage.fail = fail
rehearse._Stage.remove = lambda _stage, invocation: ended.append(invocation.answered)
rehearse.rehearse()
print(ended, dict(environ) == before)
`;

describe('a process of Python that waits for code', { timeout: 30_000 }, () => {
  it('has played its first calls, and keeps nothing of them', () => {
    const [program, ...rest] = PYTHON_COMMAND;
    const [flags, main] = [rest.slice(0, -1), rest.at(-1)!];
    const { stdout, stderr } = spawnSync(program, [...flags, '-c', REHEARSAL, dirname(main)], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.deepEqual([stdout, stderr], ['[True, True, True] True\n', '']);
  });
});
