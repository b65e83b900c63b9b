/**
 * The same workflows in every language, against the same journals: `fixtures/workflow-cases/journals.json` has for each
 * case the entries that its execution must write, whatever it is written in. Recorded once, replayed from then on.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JournalEntry, Task } from '../src/model/journal.ts';
import { SeededChance } from '../runtimes/node/workflow/seeded-chance.ts';
import { callbackToken, childExecutionId } from '../src/model/workflow-wire.ts';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { REPOSITORY, startTestPlatform, type TestPlatform } from './platform-harness.ts';

const CASES = join(import.meta.dirname, 'fixtures/workflow-cases');
const LANGUAGES = ['node', 'python', 'go'] as const;

interface Outcome {
  readonly id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly error?: { readonly code: string; readonly errorType: string; readonly errorMessage: string };
}

interface Recorded {
  /** How it ends: the output, or the code and message of the error. */
  readonly ends: readonly unknown[];
  /** Lines of its log, each once however often it is replayed. */
  readonly prints?: readonly string[];
  readonly journal: readonly string[];
}

/** What a case needs from outside while it runs. */
type Drive = (on: Running) => Promise<void>;

interface Running {
  readonly id: string;
  printed(text: string): Promise<string>;
  /** Resolves when the journal has this many entries and nothing is under way. */
  waiting(entries: number): Promise<void>;
  send(path: string, body?: unknown): Promise<unknown>;
  emit(type: string, data: unknown): Promise<void>;
}

const DRIVES: Readonly<Record<string, Drive>> = {
  asks: async ({ printed, send }) => {
    const line = await printed('token ');
    await send(`/callbacks/${line.slice('token '.length)}`, { yes: true });
  },
  talks: async ({ id, waiting, send }) => {
    await waiting(1);
    await send(`/executions/${id}/signals/say`, 'one');
    assert.deepEqual(await send(`/executions/${id}/updates/double`, 21), { answer: 42 });
    await waiting(6);
    assert.deepEqual(await send(`/executions/${id}/queries/heard`), { answer: ['one'] });
    await send(`/executions/${id}/signals/name`, 'ada');
    await waiting(7);
    await send(`/executions/${id}/signals/say`, 'two');
  },
  paid: async ({ id, waiting, emit }) => {
    await waiting(2);
    await emit('order.paid', { order: 'other', sum: 1 });
    await emit('order.paid', { order: id, sum: 3 });
  },
  chance: async ({ id, waiting, send }) => {
    await waiting(3);
    await send(`/executions/${id}/signals/go`);
  },
  cancelled: async ({ id, printed, send }) => {
    await printed('holding');
    await send(`/executions/${id}/cancel?reason=changed`);
    await printed('step heard of it');
  },
};

/** An entry without what differs from run to run and from language to language. */
function essence(entry: JournalEntry): string {
  const { kind } = entry;
  switch (kind) {
    case 'opened':
      return `${entry.op} opened ${taskText(entry.task)}${placeText(entry)}${entry.dueMs === undefined ? '' : ' due'}`;
    case 'attempted':
      return `${entry.op} attempt ${entry.attempt}`;
    case 'attemptFailed':
      return `${entry.op} attempt ${entry.attempt} failed: ${entry.error.code} ${entry.retryAtMs === undefined ? 'for good' : 'for now'}`;
    case 'completed':
      return `${entry.op} completed`;
    case 'failed':
      return `${entry.op} failed: ${entry.error.code}`;
    case 'closed':
    case 'extended':
      return `${entry.op} ${kind}`;
    case 'signalled':
      return `signalled ${entry.name}`;
    case 'ended':
      return `ended ${entry.outcome.status}`;
    default:
      return kind;
  }
}

function placeText({ scope, item }: { scope?: number | undefined; item?: number | undefined }): string {
  if (scope === undefined) return '';
  return item === undefined ? ` in ${scope}` : ` in ${scope}, item ${item}`;
}

function taskText(task: Task): string {
  switch (task.kind) {
    case 'step':
      return `step ${task.name}, attempts ${task.retry.attemptsMax}${task.timeoutMs === undefined ? '' : `, at most ${task.timeoutMs} ms`}`;
    case 'call':
      return `call ${task.function} ${JSON.stringify(task.input)}`;
    case 'event':
      return `event ${task.event}`;
    case 'child':
      return `child ${task.workflow} ${JSON.stringify(task.input)}${task.waits ? '' : ', alone'}`;
    case 'scope':
      return `${task.form} ${task.name}`;
    default:
      return 'name' in task && task.name !== undefined ? `${task.kind} ${task.name}` : task.kind;
  }
}

describe('what follows from the seed of an execution', () => {
  const told = async (): Promise<Record<string, never>> =>
    JSON.parse(await readFile(join(CASES, 'seed.json'), 'utf8')) as Record<string, never>;

  it('is this in Node.js', async () => {
    const { seed, execution, op, atMs, ...expected } = await told();
    const chance = new SeededChance(seed!);
    assert.deepEqual(expected, {
      fractions: [chance.fraction(), chance.fraction()],
      uuid: chance.uuid(),
      token: callbackToken(execution!, op!, seed!),
      child: childExecutionId(op!, atMs!, seed!),
    });
  });

  it('is the same in Python', async () => {
    const { seed, execution, op, atMs, ...expected } = await told();
    const program = `
import json, sys
sys.path.insert(0, ${JSON.stringify(join(REPOSITORY, 'runtimes/python'))})
from _lambent.workflow.seeded_chance import SeededChance, callback_token, child_execution_id
chance = SeededChance("${seed}")
print(json.dumps({
    "fractions": [chance.fraction(), chance.fraction()],
    "uuid": chance.uuid(),
    "token": callback_token("${execution}", ${op}, "${seed}"),
    "child": child_execution_id(${op}, ${atMs}, "${seed}"),
}))`;
    const printed = execFileSync(process.env.TEST_PYTHON ?? 'python3', ['-I', '-B', '-c', program]);
    assert.deepEqual(JSON.parse(printed.toString()), expected);
  });
});

it('says of code that is no workflow, and of a workflow that is no function, what it should be', async () => {
  const platform = await startTestPlatform({
    odd: {
      'lambent.yaml': 'app: odd\nfunctions: { flow: {} }\nworkflows: { js: {}, py: {} }\n',
      'functions/flow.js': "import { workflow } from 'lambent';\nexport default workflow(async () => 1);",
      'workflows/js.js': 'export const handler = async () => 1;',
      'workflows/py.py': 'def handler(event, context):\n    return 1\n',
    },
  });
  try {
    for (const name of ['js', 'py']) {
      const { json } = await platform.api('POST', `/apps/odd/workflows/${name}/executions?wait=25`, 1);
      const { error } = json as Outcome;
      assert.equal(error?.code, 'E_HANDLER_MISSING');
      assert.match(
        error.errorMessage,
        /cannot be loaded: its file has no workflow: `export default workflow/,
      );
    }
    const response = await platform.fetch('/2015-03-31/functions/flow/invocations', {
      method: 'POST',
      body: '{}',
    });
    assert.match(await response.text(), /it is a workflow: its file belongs into the folder workflows/);
  } finally {
    await platform.close();
  }
});

const recorded = JSON.parse(await readFile(join(CASES, 'journals.json'), 'utf8')) as Record<string, Recorded>;

describe('what workflows can do', () => {
  it('has in each language a name in the documentation and a case here', async () => {
    const page = await readFile(join(REPOSITORY, 'docs/workflows.md'), 'utf8');
    const rows =
      page
        .match(/\| \| TypeScript \| Python \| Go \|\n.*\n((?:\|.*\n)+)/)?.[1]
        ?.trim()
        .split('\n') ?? [];
    assert.ok(rows.length >= 18);
    for (const [place, language] of LANGUAGES.entries()) {
      const folder = join(CASES, language, 'workflows');
      const files = (await readdir(folder, { recursive: true })).filter((name) => /\.(ts|py|go)$/.test(name));
      const code = (await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))).join('\n');
      for (const row of rows) {
        const names = [...row.split(' | ')[place + 1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
        assert.ok(names.length > 0, row);
        for (const name of names)
          assert.match(code, new RegExp(`\\b${name}\\b`), `${language} has a case of ${name}`);
      }
    }
  });
});

for (const language of LANGUAGES)
  describe(`workflows in ${language}`, { timeout: 240_000, skip: language === 'go' && WITHOUT_GO }, () => {
    const app = `cases-${language}`;
    let platform: TestPlatform;
    before(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'lambent-languages-'));
      await cp(join(CASES, language), join(folder, app), { recursive: true });
      platform = await startTestPlatform({}, { folder, folders: [join(folder, app)] });
    });
    after(() => platform.close());

    const start = async (workflow: string, input: unknown, query = ''): Promise<Outcome> =>
      (await platform.api('POST', `/apps/${app}/workflows/${workflow}/executions${query}`, input)).json;
    const result = async (id: string): Promise<Outcome> =>
      (await platform.api('GET', `/executions/${id}/result?wait=60`)).json;
    const history = async (id: string): Promise<JournalEntry[]> =>
      ((await platform.api('GET', `/executions/${id}/history?limit=1000`)).json as { items: JournalEntry[] })
        .items;
    const printedBy = (id: string): string[] =>
      platform.events.flatMap((event) =>
        event.kind === 'log' && event.line.invocation === (id as never) ? [event.line.text] : [],
      );
    const waiting = async (id: string, entries: number): Promise<void> => {
      for (let tries = 0; tries < 1_500; tries += 1) {
        const { json } = await platform.api('GET', `/executions/${id}`);
        const record = json as { status: string; entries: number };
        if (record.status === 'waiting' && record.entries >= entries) return;
        assert.notEqual(record.status, 'failed');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.fail(`execution ${id} does not come to wait`);
    };
    const running = (id: string): Running => ({
      id,
      printed: async (text) =>
        (await platform.waitForLog((line) => line.text.startsWith(text) && line.invocation === (id as never)))
          .text,
      waiting: (entries) => waiting(id, entries),
      send: async (path, body) => {
        const { status, json } = await platform.api('POST', path, body);
        assert.ok(status < 300, JSON.stringify(json));
        return json;
      },
      emit: async (type, data) => {
        const body = JSON.stringify({
          specversion: '1.0',
          id: crypto.randomUUID(),
          source: '/test',
          type,
          data,
        });
        const headers = { 'content-type': 'application/cloudevents+json' };
        await platform.fetch('/_lambent/events', { method: 'POST', headers, body });
      },
    });

    for (const [name, expected] of Object.entries(recorded))
      it(`writes the journal of ${name}`, async () => {
        const { id } = await start('cases', name);
        await DRIVES[name]?.(running(id));
        const { status, output, error } = await result(id);
        const entries = await history(id);
        assert.deepEqual(
          {
            ends: [
              status,
              ...(error === undefined ? [output] : [error.code, error.errorMessage.replaceAll(app, 'APP')]),
            ],
            ...(expected.prints === undefined ? {} : { prints: printedBy(id) }),
            journal: entries.map(essence),
          },
          expected,
        );
        for (const entry of entries)
          if (entry.kind === 'opened') assert.match(entry.at ?? '', /^workflows\/.+:\d+$/, essence(entry));
        // Replayed for a question: it must go the same way, and print nothing again.
        const { json } = await platform.api('POST', `/executions/${id}/queries/name`);
        assert.deepEqual(json, { answer: name });
        if (expected.prints !== undefined) assert.deepEqual(printedBy(id), expected.prints);
      });

    it('goes on as new, and whoever waits gets the last result', async () => {
      assert.equal((await start('rounds', 2, '?wait=60')).output, 'done');
    });

    it('explains a replay that goes another way', async () => {
      const { id } = await start('drifts', null);
      await waiting(id, 3);
      await platform.api('POST', `/executions/${id}/signals/go`, 1);
      const { status, error } = await result(id);
      assert.deepEqual([status, error?.code], ['failed', 'E_NON_DETERMINISTIC']);
      assert.match(
        error?.errorMessage ?? '',
        /operation 1: its history has step "first name" \(workflows\/.+:\d+\), but the code began step "second name" \(workflows\/.+:\d+\)/,
      );
    });

    it('says what is wrong with code', async () => {
      const codes = {
        large: 'E_PAYLOAD_TOO_LARGE',
        outside: 'E_NON_DETERMINISTIC',
        nested: 'E_NON_DETERMINISTIC',
      };
      for (const [what, code] of Object.entries(codes)) {
        const { status, error } = await start('cases', what, '?wait=60');
        assert.deepEqual([what, status, error?.code], [what, 'failed', code]);
      }
    });

    // Go has no way to notice it.
    const told = {
      node: [
        'unreachable',
        /^the code waited for something that is not recorded: .* TypeError: fetch failed/,
      ],
      python: ['blocks', /`socket\.getaddrinfo`\)\. Put that into a step/],
      go: undefined,
    }[language] as [string, RegExp] | undefined;
    it('says that a call of the network does not belong there', { skip: told === undefined }, async () => {
      const { error } = await start('cases', told![0], '?wait=60');
      assert.equal(error?.code, 'E_NON_DETERMINISTIC');
      assert.match(error?.errorMessage ?? '', told![1]);
    });
  });
