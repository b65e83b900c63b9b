import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AppName } from '../model/function.ts';
import { BASE, type Bench, openBench, sampleLine } from './admin-harness.test.ts';
import { HEARTBEAT_MS } from './event-stream.ts';
import { LAGGED_LINES, STREAM_BATCH_LINES } from './log-stream.ts';
import { LOG_STREAMS_MAX } from './logs.ts';

interface Event {
  id: string | undefined;
  event: string | undefined;
  data: string | undefined;
  comment: string | undefined;
}

/** Reads server-sent events one by one, at the pace of the test. */
class Follower {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest = '';

  constructor(response: Response) {
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    this.#reader = response.body!.getReader();
  }

  /** The next event or comment; `undefined` at the end. */
  async next(): Promise<Event | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\n\n');
      if (end >= 0) {
        const block = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 2);
        const field = (name: string): string | undefined =>
          block
            .split('\n')
            .find((line) => line.startsWith(`${name}:`))
            ?.slice(name.length + 1)
            .trim();
        return { id: field('id'), event: field('event'), data: field('data'), comment: field('') };
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#rest += new TextDecoder().decode(value);
    }
  }

  async texts(count: number): Promise<string[]> {
    const texts: string[] = [];
    while (texts.length < count) {
      const event = await this.next();
      assert.ok(event?.data !== undefined && event.event === undefined, JSON.stringify(event));
      const line = JSON.parse(event.data) as { text: string; sequence: number };
      assert.equal(event.id, String(line.sequence));
      texts.push(line.text);
    }
    return texts;
  }

  close(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** Opens a stream and takes its greeting. */
async function follow(bench: Bench, query = '', headers: Record<string, string> = {}): Promise<Follower> {
  const follower = new Follower(await bench.fetch('GET', `${BASE}/logs/stream${query}`, { headers }));
  assert.equal((await follower.next())?.comment, 'following');
  return follower;
}

async function withBench(task: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = await openBench();
  try {
    await task(bench);
  } finally {
    await bench.close();
  }
}

async function store(bench: Bench, ...texts: string[]): Promise<void> {
  for (const text of texts) bench.recorder.log(sampleLine(text));
  await bench.recorder.flush();
}

test('shows what comes, not what was', () =>
  withBench(async (bench) => {
    await store(bench, 'old');
    const follower = await follow(bench);
    const coming = follower.texts(2);
    await store(bench, 'a', 'b');
    assert.deepEqual(await coming, ['a', 'b']);
    await follower.close();
  }));

test('resumes by Last-Event-ID from the store, then goes on live', () =>
  withBench(async (bench) => {
    await store(bench, 'one', 'two', 'three');
    const { last } = (await bench.call('GET', '/logs')).body;
    const follower = await follow(bench, '', { 'last-event-id': String(last - 2) });
    assert.deepEqual(await follower.texts(2), ['two', 'three']);
    const coming = follower.texts(1);
    await store(bench, 'four');
    assert.deepEqual(await coming, ['four']);
    await follower.close();

    const again = await follow(bench, `?after=${last}`);
    assert.deepEqual(await again.texts(1), ['four']);
    await again.close();
  }));

test('a resume beyond one batch is complete and in order', () =>
  withBench(async (bench) => {
    const texts = Array.from({ length: STREAM_BATCH_LINES * 3 + 5 }, (_, index) => `line ${index}`);
    await store(bench, ...texts);
    const follower = await follow(bench, '?after=0');
    assert.deepEqual(await follower.texts(texts.length), texts);
    await follower.close();
  }));

test('filters, also over many lines that do not match', () =>
  withBench(async (bench) => {
    const follower = await follow(bench, '?app=blog&severity=warn');
    const coming = follower.texts(1);
    await store(bench, ...Array.from({ length: 200 }, () => 'noise'));
    bench.recorder.log(sampleLine('quiet', { app: 'blog' as AppName }));
    bench.recorder.log(sampleLine('loud', { app: 'blog' as AppName, severity: 'error' }));
    await bench.recorder.flush();
    assert.deepEqual(await coming, ['loud']);
    await follower.close();
  }));

test('a heartbeat comes when nothing else does', () =>
  withBench(async (bench) => {
    const follower = await follow(bench);
    const timers = bench.clock.pending;
    const next = follower.next();
    for (let turn = 0; bench.clock.pending === timers && turn < 1_000; turn += 1) await nextTurn();
    bench.clock.advance(HEARTBEAT_MS);
    assert.equal((await next)?.comment, 'heartbeat');
    await follower.close();
  }));

test('a slow reader loses nothing, is told that it lags, and costs no memory meanwhile', () =>
  withBench(async (bench) => {
    const follower = await follow(bench);
    const first = follower.texts(1);
    await store(bench, 'first');
    assert.deepEqual(await first, ['first']);

    const total = LAGGED_LINES + 2 * STREAM_BATCH_LINES + 10;
    let reads = 0;
    const { logsAfter } = bench.store.telemetry;
    bench.store.telemetry.logsAfter = (...args: Parameters<typeof logsAfter>) => {
      reads += 1;
      return logsAfter.apply(bench.store.telemetry, args);
    };
    for (let written = 0; written < total; written += 500) {
      await store(
        bench,
        ...Array.from({ length: Math.min(500, total - written) }, (_, index) => `${written + index}`),
      );
    }
    assert.ok(reads <= 2, `the stream read ${reads} batches for a reader that takes none`);

    let lagged = 0;
    let seen = 0;
    while (seen < total) {
      const event = await follower.next();
      if (event?.event === 'lagged') {
        lagged += 1;
        assert.ok(JSON.parse(event.data!).behind > LAGGED_LINES);
        continue;
      }
      assert.equal(JSON.parse(event!.data!).text, String(seen));
      seen += 1;
    }
    assert.equal(lagged, 1);
    await follower.close();
  }));

test('an error of the store ends the stream with an event', () =>
  withBench(async (bench) => {
    await store(bench, 'a');
    bench.store.telemetry.logsAfter = async () => {
      throw new TypeError('gone');
    };
    const follower = await follow(bench, '?after=0');
    const event = await follower.next();
    assert.equal(event?.event, 'error');
    assert.equal(JSON.parse(event.data!).code, 'E_INTERNAL');
    assert.ok(!event.data!.includes('gone'));
    assert.equal(await follower.next(), undefined);
  }));

test('closing the API ends streams, and so does the reader', () =>
  withBench(async (bench) => {
    const follower = await follow(bench);
    const next = follower.next();
    bench.api.close();
    assert.equal(await next, undefined);
    const other = await follow(bench);
    const pending = bench.clock.pending;
    await other.close();
    assert.ok(bench.clock.pending <= pending);
  }));

test('there may be so many followers, and a place is free again when one leaves', () =>
  withBench(async (bench) => {
    for (let count = 0; count <= LOG_STREAMS_MAX; count += 1) {
      assert.equal((await bench.fetch('HEAD', `${BASE}/logs/stream`)).status, 200, 'HEAD takes no place');
    }
    const followers: Follower[] = [];
    for (let count = 0; count < LOG_STREAMS_MAX; count += 1) followers.push(await follow(bench));
    const refused = await bench.call('GET', '/logs/stream');
    assert.deepEqual([refused.status, refused.body.error.code], [503, 'E_OVERLOADED']);
    await followers.pop()!.close();
    followers.push(await follow(bench));
    await Promise.all(followers.map((follower) => follower.close()));
  }));

test('a wrong position is refused', () =>
  withBench(async (bench) => {
    const headers = { 'last-event-id': 'abc' };
    const { status, body } = await bench.call('GET', '/logs/stream', { headers });
    assert.equal(status, 400);
    assert.match(body.error.message, /Last-Event-ID/);
    assert.equal((await bench.call('GET', '/logs/stream?after=-1')).status, 400);
  }));
