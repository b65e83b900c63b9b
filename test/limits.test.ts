import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { InvocationRecord } from '../src/model/invocation.ts';
import { Gate } from './gate.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { isAlive, poll } from './process-table.ts';

/** What a function may use, and how many processes and calls of it there are. */

const GATED =
  'export default { async fetch(request) { await fetch(new URL(request.url).searchParams.get("gate")); return new Response(String(process.pid)); } };';

const FILES: AppFiles = {
  'lambent.yaml': `
app: limits
functions:
  sleeps: { timeout: 1s, concurrency: 10 }
  spins: { timeout: 2s, concurrency: 10 }
  parent: { timeout: 300ms }
  heap: { memory: 64mb }
  buffers: { memory: 64mb }
  family: { memory: 64mb }
  idles: { idle: 150ms }
  grows: { concurrency: 1, maxInstances: 3 }
  shared: { concurrency: 4, maxInstances: 1 }
  few: { maxConcurrency: 2, queue: 1 }
  reserved: { reservedConcurrency: 1, queue: 1, concurrency: 1 }
  neighbour: {}
`,
  'functions/sleeps.js': `
export default { async fetch(request) {
  const { searchParams } = new URL(request.url);
  const gate = searchParams.get('gate');
  if (gate === null) await new Promise(() => {});
  if (searchParams.has('late')) await new Promise((resolve) => setTimeout(resolve, 500));
  await fetch(gate);
  return new Response('woke up');
} };`,
  'functions/spins.js': `
export default { async fetch(request) {
  const gate = new URL(request.url).searchParams.get('gate');
  if (gate === null) return new Response(String(process.pid));
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  await fetch(gate);
  for (;;);
} };`,
  'functions/parent.js': `
import { spawn } from 'node:child_process';
export const handler = async () => {
  const detached = spawn('/bin/sleep', ['1000'], { detached: true, stdio: 'ignore' });
  const shell = spawn('/bin/sh', ['-c', 'sleep 1000 & echo $!; wait']);
  shell.stdout.on('data', (text) => console.log(JSON.stringify([process.pid, detached.pid, shell.pid, Number(text)])));
  await new Promise(() => setInterval(() => {}, 1_000));
};`,
  'functions/heap.js': `
export const handler = async () => {
  const kept = [];
  for (;;) { kept.push(Array.from({ length: 1_000 }, (_, index) => ({ index }))); if (kept.length % 100 === 0) await new Promise(setImmediate); }
};`,
  'functions/buffers.js': `
export const handler = async () => {
  const kept = [];
  for (;;) { kept.push(Buffer.alloc(8 * 1024 * 1024, 1)); await new Promise((resolve) => setTimeout(resolve, 20)); }
};`,
  'functions/family.js': `
import { spawn } from 'node:child_process';
export const handler = async () => {
  const code = 'const kept = []; setInterval(() => kept.push(Buffer.alloc(8 * 1024 * 1024, 1)), 20)';
  spawn(process.execPath, ['-e', code], { stdio: 'ignore' });
  await new Promise(() => setInterval(() => {}, 1_000));
};`,
  'functions/idles.js': 'export default () => "here";',
  'functions/grows.js': GATED,
  'functions/shared.js': GATED,
  'functions/few.js': GATED,
  'functions/reserved.js': GATED,
  'functions/neighbour.js': 'export default () => "undisturbed";',
};

interface InstanceView {
  function: string;
  pid: number;
  activeInvocations: number;
}

let lambent: TestPlatform;
const gate = new Gate();
before(async () => {
  await gate.open();
  lambent = await startTestPlatform({ limits: FILES });
});
after(async () => {
  gate.close();
  await lambent.close();
});

async function instancesOf(name: string): Promise<InstanceView[]> {
  const { json } = await lambent.api('GET', '/instances');
  return (json as { items: InstanceView[] }).items.filter((item) => item.function === name);
}

async function errorOf(answer: Response): Promise<{ code: string; message: string; hint: string }> {
  return ((await answer.json()) as { error: { code: string; message: string; hint: string } }).error;
}

function recordOf(answer: Response): Promise<InvocationRecord> {
  return lambent.waitForInvocation((record) => record.id === answer.headers.get('x-request-id'));
}

async function assertNeighbour(): Promise<void> {
  assert.equal(await (await lambent.fetch('/neighbour')).text(), 'undisturbed');
}

describe('a timeout', { timeout: 30_000 }, () => {
  it('ends the process when nothing else runs in it', async () => {
    const answering = lambent.fetch('/sleeps');
    let pid = 0;
    await poll(async () => {
      pid = (await instancesOf('sleeps')).find((item) => item.activeInvocations > 0)?.pid ?? 0;
      return pid > 0;
    });
    const answer = await answering;
    assert.equal(answer.status, 504);
    assert.equal(
      (await errorOf(answer)).message,
      'function sleeps did not finish within 1 s and was stopped',
    );
    assert.equal((await recordOf(answer)).status, 'timeout');
    await poll(() => !isAlive(pid));
    await assertNeighbour();
  });

  it('lets others in the same process finish', async () => {
    const late = lambent.fetch(`/sleeps?late&gate=${gate.url}/late`);
    // Half of its time is over then.
    await gate.next('/late');
    const punctual = lambent.fetch(`/sleeps?gate=${gate.url}/punctual`);
    const release = await gate.next('/punctual');
    assert.equal((await late).status, 504);
    release.end();
    const answer = await punctual;
    assert.deepEqual([answer.status, await answer.text()], [200, 'woke up']);
    const [first, second] = await Promise.all([recordOf(await late), recordOf(answer)]);
    assert.equal(first.instance, second.instance);
  });

  it('stops code that never lets go, and tells the others in the same process why they failed', async () => {
    const pid = Number(await (await lambent.fetch('/spins')).text());
    const spinning = lambent.fetch(`/spins?gate=${gate.url}/spin`);
    const release = await gate.next('/spin');
    // Its time ends more than a second after that of the first, so that it does not run out before the process ends.
    const waiting = lambent.fetch(`/spins?gate=${gate.url}/never`);
    release.end();
    const victim = await waiting;
    assert.equal((await errorOf(await spinning)).code, 'E_FUNCTION_TIMEOUT');
    const { code, message, hint } = await errorOf(victim);
    assert.deepEqual([victim.status, code], [502, 'E_FUNCTION_EXITED']);
    assert.equal(message, 'another call in the same process blocked it and was stopped with it');
    assert.match(hint, /Lower `concurrency`/);
    assert.equal((await recordOf(victim)).instance, (await recordOf(await spinning)).instance);
    await poll(() => !isAlive(pid));
    await assertNeighbour();
  });

  it('takes the processes along that the function started, also those in groups of their own', {
    skip: process.platform !== 'linux' && 'the process tree is read from /proc',
  }, async () => {
    const answering = lambent.fetch('/parent');
    const line = await lambent.waitForLog(({ function: name }) => name === 'parent');
    const pids: number[] = JSON.parse(line.text);
    assert.equal(pids.length, 4);
    assert.equal((await answering).status, 504);
    for (const pid of pids) await poll(() => !isAlive(pid));
  });
});

describe('a memory limit', {
  timeout: 60_000,
  skip: process.platform !== 'linux' && 'memory is read from /proc',
}, () => {
  for (const [name, what] of [
    ['heap', 'its heap'],
    ['buffers', 'buffers outside the heap'],
    ['family', 'a process that it started'],
  ] as const) {
    it(`ends an instance that fills ${what}`, async () => {
      const answer = await lambent.fetch(`/${name}`);
      const { code, message, hint } = await errorOf(answer);
      assert.deepEqual([answer.status, code], [502, 'E_OUT_OF_MEMORY']);
      assert.equal(message, `function ${name} used more than its 64 MB and was stopped`);
      assert.match(hint, /raise `memory` in the manifest/);
      assert.equal((await recordOf(answer)).status, 'crashed');
      await lambent.waitForLog((line) => line.function === name && line.text.startsWith('E_OUT_OF_MEMORY'));
      await poll(async () => (await instancesOf(name)).length === 0);
      await assertNeighbour();
    });
  }
});

describe('instances', { timeout: 30_000 }, () => {
  it('end when they have been idle, and come back with the next call', async () => {
    const first = await lambent.fetch('/idles');
    assert.equal((await recordOf(first)).status, 'ok');
    await poll(async () => (await instancesOf('idles')).length === 0);
    const again = await lambent.fetch('/idles');
    assert.equal(await again.text(), 'here');
    const record = await recordOf(again);
    assert.equal(record.cold, true);
    assert.ok(record.startUs > 0);
  });

  it('become more under load, up to the limit; the rest waits', async () => {
    const calls = Array.from({ length: 5 }, () => lambent.fetch(`/grows?gate=${gate.url}/grows`));
    const releases = [];
    for (let count = 0; count < 3; count += 1) releases.push(await gate.next('/grows'));
    const grown = await instancesOf('grows');
    assert.deepEqual(
      grown.map((item) => item.activeInvocations),
      [1, 1, 1],
    );
    for (const release of releases) release.end();
    for (let count = 0; count < 2; count += 1) (await gate.next('/grows')).end();
    const answers = await Promise.all(calls);
    const pids = new Set(await Promise.all(answers.map((answer) => answer.text())));
    assert.equal(pids.size, 3);
    const records = await Promise.all(answers.map(recordOf));
    assert.equal(records.filter((record) => record.queueUs > 0).length >= 2, true);
  });

  it('take as many calls at once as `concurrency` says', async () => {
    const calls = Array.from({ length: 6 }, () => lambent.fetch(`/shared?gate=${gate.url}/shared`));
    const releases = [];
    for (let count = 0; count < 4; count += 1) releases.push(await gate.next('/shared'));
    assert.deepEqual(
      (await instancesOf('shared')).map((item) => item.activeInvocations),
      [4],
    );
    for (const release of releases) release.end();
    for (let count = 0; count < 2; count += 1) (await gate.next('/shared')).end();
    assert.deepEqual(
      (await Promise.all(calls)).map(({ status }) => status),
      Array(6).fill(200),
    );
  });
});

describe('a limit on calls at once', { timeout: 30_000 }, () => {
  for (const [name, running] of [
    ['few', 2],
    ['reserved', 1],
  ] as const) {
    it(`answers 429 when ${running} of ${name} run and one waits`, async () => {
      const path = `/${name}?gate=${gate.url}/${name}`;
      const calls: Promise<Response>[] = [];
      const releases = [];
      for (let count = 0; count < running; count += 1) {
        calls.push(lambent.fetch(path));
        releases.push(await gate.next(`/${name}`));
      }
      // Of two more one waits and one is refused.
      const more = [lambent.fetch(path), lambent.fetch(path)];
      const refused = await Promise.race(more);
      assert.equal(refused.status, 429);
      assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
      const { code, message } = await errorOf(refused);
      assert.equal(code, 'E_CONCURRENCY_LIMIT');
      assert.equal(
        message,
        `function ${name} runs ${running} of at most ${running} at once, and 1 of at most 1 wait`,
      );
      assert.equal((await recordOf(refused)).status, 'throttled');
      await assertNeighbour();
      for (const release of releases) release.end();
      (await gate.next(`/${name}`)).end();
      const answers = await Promise.all([...calls, ...more]);
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [
        ...Array(running + 1).fill(200),
        429,
      ]);
    });
  }
});
