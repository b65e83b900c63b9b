/** What every source of messages must do, met with the real broker and the real platform. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { systemClock } from '../src/base/clock.ts';
import { LambentError } from '../src/base/errors.ts';
import { silentLog } from '../src/base/log.ts';
import { createSeededRandom } from '../src/base/random.ts';
import type { CloudEvent } from '../src/model/cloud-event.ts';
import { resolveAddress } from '../src/model/connection.ts';
import type { MessageSource } from '../src/model/message-source.ts';
import { sealEvent } from '../src/model/sealed-event.ts';
import type { Trigger, TriggerId } from '../src/model/trigger.ts';
import type { Source } from '../src/ports/source.ts';
import { createMessageDrivers, messageSources } from '../src/sources/messages/message-sources.ts';
import { type BrokerProgram, BrokerServer, missing } from './broker-servers.ts';
import { writeApp } from './platform-harness.ts';
import { poll } from './process-table.ts';
import { type Server, startServer, waitForToken } from './server-process.ts';

export interface BrokerCase {
  readonly name: string;
  readonly program: BrokerProgram;
  /** Why it cannot run here, besides a program that is missing. */
  readonly unavailable?: string | false;
  /** The address with a login that works. */
  readonly url: (server: BrokerServer) => string;
  /** The trigger as a line of the manifest, without the address. */
  readonly manifest: string;
  readonly source: MessageSource;
  /** Makes what must be there before a trigger reads. */
  readonly setUp?: (server: BrokerServer) => Promise<void>;
  /** Resolves when the server takes commands, and throws while it does not. */
  readonly ready: (server: BrokerServer) => Promise<unknown>;
  /** Sends bodies, and resolves when the broker has them for good. */
  readonly send: (server: BrokerServer, bodies: readonly Buffer[]) => Promise<void>;
  /** The body as it is in an event's data. */
  readonly bodyOf: (event: CloudEvent) => string;
  /** Whether the broker names its messages, so that one that comes again is the same event. */
  readonly isNamed: boolean;
  /** Each message comes again at a time of its own, so perhaps not in the order in which they were sent. */
  readonly mixesRepetitions?: boolean;
  /** Its messages are texts, and small: bytes and large ones cannot be sent. */
  readonly isText?: boolean;
  /** Messages that the broker has given, or not yet, and that are not acknowledged. */
  readonly unacknowledged?: (server: BrokerServer) => Promise<number>;
  /** What only this broker does, by what it is: after the first two of the suite. */
  readonly more?: Readonly<Record<string, (server: BrokerServer) => Promise<void>>>;
}

const MESSAGES = 150;
const CHUNK = 10;
/** The chunks after which the platform, and the broker, are killed; the broker's restart is the slow part. */
const PLATFORM_DIES: ReadonlySet<number> = new Set([2, 9, 12]);
const BROKER_DIES: ReadonlySet<number> = new Set([5]);
/** Of one test, and of all of a broker; some servers take long to start, and each death is one more start. */
const TEST_MS = 120_000;
const SUITE_MS = 400_000;

export async function describeBroker(broker: BrokerCase): Promise<void> {
  const skip = broker.unavailable || (await missing(broker.program));
  describe(`messages of ${broker.name}`, { timeout: SUITE_MS, skip }, () => {
    let server: BrokerServer;
    let folder = '';
    before(async () => {
      server = await BrokerServer.start(broker.program);
      folder = await mkdtemp(join(tmpdir(), 'lambent-messages-'));
      await untilReady(broker, server);
      await broker.setUp?.(server);
    });
    // One that a failed test left would take the messages of the next, and keep this process from its end.
    afterEach(async () => {
      await Promise.all([...opened].map((source) => source.close()));
      opened.clear();
    });
    after(async () => {
      await server?.remove();
      await rm(folder, { recursive: true, force: true });
    });

    const limit = { timeout: TEST_MS };
    it('are acknowledged only when they are stored', limit, () => acknowledgesLate(broker, server));
    it('become events whatever they hold', limit, () => takesAnything(broker, server));
    for (const [what, act] of Object.entries(broker.more ?? {})) it(what, limit, () => act(server));
    it('come when the platform and the broker are killed', limit, () =>
      survivesKills(broker, server, folder),
    );
    it('that cannot be read say why, and never the password', limit, () => saysWhy(broker, server));
  });
}

function untilReady(broker: BrokerCase, server: BrokerServer): Promise<void> {
  let refusal: unknown;
  return poll(
    () =>
      broker.ready(server).then(
        () => true,
        (error: unknown) => {
          refusal = error;
          return false;
        },
      ),
    () => refusal,
  );
}

const opened = new Set<Source>();

interface Opened {
  readonly source: Source;
  readonly events: CloudEvent[];
  /** What the log has of errors. */
  readonly errors: string[];
  /** The last stored position. */
  position(): string | undefined;
}

/** Sends one message as a function does. */
export async function sendOne(
  kind: MessageSource['kind'],
  url: string,
  destination: string,
  qos?: 1 | 2,
): Promise<{ readonly id: string }> {
  const { sending } = createMessageDrivers(systemClock).find((driver) => driver.kind === kind)!;
  const sender = await sending!.connect({ label: 'BROKER', url, tls: undefined });
  const message = {
    destination,
    id: 'given',
    body: Buffer.from('{"sent":true}'),
    contentType: 'application/json',
  };
  try {
    return await sender.send({ ...message, headers: { kind: 'test' }, qos, depth: 3 });
  } finally {
    await sender.close();
  }
}

/** A source of its own, whose events are kept; `publish` may throw, and then nothing is. */
export function openSource(
  settings: MessageSource,
  url: string,
  publish: (events: readonly CloudEvent[]) => Promise<void> = async () => {},
  position?: string,
): Opened {
  const events: CloudEvent[] = [];
  const errors: string[] = [];
  let place = position;
  const factory = messageSources.find(({ kind }) => kind === settings.kind)!;
  const source = factory.open({
    id: 'shop/direct' as TriggerId,
    app: 'shop' as never,
    trigger: { source: settings } as Trigger,
    ...{ position, clock: systemClock, random: createSeededRandom(1) },
    log: { ...silentLog, error: (text) => errors.push(text) },
    secret: async () => undefined,
    address: async (connection) =>
      resolveAddress(connection, (name) => (name === 'BROKER' ? url : undefined)),
    alert: async () => {},
    isBusy: async () => false,
    async publish(published, next) {
      const given = published.map((each) => sealEvent(each).parsed);
      await publish(given);
      events.push(...given);
      place = next ?? place;
      return given.map(() => ({ seq: 1, stored: true, owed: 1 }));
    },
  });
  opened.add(source);
  return { source, events, errors, position: () => place };
}

async function acknowledgesLate(broker: BrokerCase, server: BrokerServer): Promise<void> {
  const tried: CloudEvent[] = [];
  const failing = openSource(broker.source, broker.url(server), async (given) => {
    tried.push(...given);
    throw new LambentError('E_OVERLOADED', 'full');
  });
  await poll(async () => failing.source.status().trouble === undefined || tried.length > 0);
  await broker.send(server, [Buffer.from('{"n":1}'), Buffer.from('{"n":2}')]);
  await poll(async () => tried.length >= 4);
  assert.match(failing.source.status().trouble ?? 'full', /full/);
  await failing.source.close();
  const working = openSource(broker.source, broker.url(server));
  await poll(async () => new Set(working.events.map(broker.bodyOf)).size === 2);
  const bodies = working.events.map(broker.bodyOf);
  assert.deepEqual(broker.mixesRepetitions ? bodies.toSorted() : bodies, ['{"n":1}', '{"n":2}']);
  if (broker.isNamed) assert.ok(tried.every(({ id }) => working.events.some((event) => event.id === id)));
  await working.source.close();
  // What was stored is not given again.
  const next = openSource(broker.source, broker.url(server));
  await poll(async () => next.source.status().trouble === undefined);
  await broker.send(server, [Buffer.from('{"n":3}')]);
  await poll(async () => next.events.length > 0);
  assert.deepEqual(next.events.map(broker.bodyOf), ['{"n":3}']);
  await next.source.close();
}

async function takesAnything(broker: BrokerCase, server: BrokerServer): Promise<void> {
  const { source, events } = openSource(broker.source, broker.url(server));
  await poll(async () => source.status().trouble === undefined);
  const large = Buffer.alloc(2 * 1024 * 1024, 0x61);
  const odd = [
    Buffer.from('{"a":'),
    ...(broker.isText === true ? [] : [Buffer.from([0xff, 0xfe, 0x00]), large]),
    Buffer.from('['.repeat(5_000)),
    Buffer.from('{"last":true}'),
  ];
  await broker.send(server, odd);
  await poll(async () => events.length >= odd.length);
  assert.equal(broker.bodyOf(events.at(-1)!), '{"last":true}');
  assert.equal(broker.bodyOf(events[0]!), '{"a":');
  const cut = events[odd.indexOf(large)];
  assert.equal(cut === undefined, broker.isText === true);
  assert.equal(cut?.data, undefined);
  if (cut !== undefined) assert.ok(Number(cut.messagebytes) >= large.byteLength);
  assert.equal(source.status().trouble, undefined);
  await source.close();
}

async function saysWhy(broker: BrokerCase, server: BrokerServer): Promise<void> {
  const url = new URL(broker.url(server));
  url.password = 'not-the-password';
  const cases: [string, RegExp][] = [
    [url.href, /refuses the login/],
    [broker.url(server).replace(/:\d+(\/|$)/, ':1$1'), /Nothing listens/],
    [broker.url(server).replace('127.0.0.1', 'no-such-host.invalid'), /host/],
    ['', /There is no secret BROKER/],
    ['elsewhere', /is not an address/],
  ];
  for (const [address, expected] of cases) {
    const { source } = openSource(broker.source, address);
    await poll(async () => expected.test(source.status().trouble ?? ''));
    assert.doesNotMatch(source.status().trouble!, /not-the-password|right-password/);
    await source.close();
  }
}

async function survivesKills(broker: BrokerCase, server: BrokerServer, folder: string): Promise<void> {
  const seen = join(folder, 'seen');
  const app = await writeApp(join(folder, 'shop'), {
    'lambent.yaml': `
app: shop
functions:
  take:
    env: { BROKER: "${broker.url(server)}", SEEN: "${seen}" }
    on:
      - ${broker.manifest}
        name: live
        retryFirst: 10ms
`,
    'functions/take.js': `
import { appendFileSync } from 'node:fs';
export const handler = async (event) => appendFileSync(process.env.SEEN, '\\n' + JSON.stringify(event) + '\\n');`,
  });
  let platform: Server = await startServer(join(folder, 'data'), [app]);
  const token = await waitForToken(platform);
  try {
    const trigger = () => triggerOf(platform, token);
    await poll(async () => (await trigger()).trouble === undefined, trigger);
    for (let first = 0; first < MESSAGES; first += CHUNK) {
      const bodies = Array.from({ length: CHUNK }, (_, at) => Buffer.from(`{"k":${first + at}}`));
      await broker.send(server, bodies);
      if (PLATFORM_DIES.has(first / CHUNK)) {
        const ended = once(platform.child, 'exit');
        platform.child.kill('SIGKILL');
        await ended;
        platform = await startServer(join(folder, 'data'));
      } else if (BROKER_DIES.has(first / CHUNK)) {
        await server.kill();
        await server.open();
        await untilReady(broker, server);
      }
    }
    const read = async () => (await readFile(seen, 'utf8').catch(() => '')).split('\n').flatMap(parsed);
    const seenBodies = async () => new Set((await read()).map(broker.bodyOf));
    await poll(
      async () => (await seenBodies()).size === MESSAGES,
      async () => ({
        seen: [...(await seenBodies())].join(' '),
        unacknowledged: await broker.unacknowledged?.(server),
        trigger: await trigger(),
      }),
    );
    // A call that was under way may come again, but under the same id.
    if (broker.isNamed) assert.equal(new Set((await read()).map(({ id }) => id)).size, MESSAGES);
    if (broker.unacknowledged !== undefined)
      await poll(
        async () => (await broker.unacknowledged!(server)) === 0,
        async () => [await broker.unacknowledged!(server), await trigger()],
      );
  } finally {
    platform.child.kill('SIGKILL');
  }
}

/** Nothing of a line that was being written when its function was killed: that call comes again. */
function parsed(line: string): CloudEvent[] {
  try {
    return [JSON.parse(line) as CloudEvent];
  } catch {
    return [];
  }
}

async function triggerOf(platform: Server, token: string): Promise<{ trouble?: string }> {
  const response = await fetch(`${platform.url}/_lambent/api/v1/triggers`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { items } = (await response.json()) as { items: { id: string; trouble?: string }[] };
  return items.find(({ id }) => id === 'shop/live') ?? { trouble: 'not yet live' };
}
