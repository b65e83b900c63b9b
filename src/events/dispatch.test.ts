import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { createSeededRandom } from '../base/random.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import type { EventCall } from '../ports/invoker.ts';
import {
  type Answer,
  cloudEvent,
  FunctionFailed,
  isIdle,
  mail,
  startWorld,
  trigger,
  type World,
} from './events-harness.test.ts';

const TIMEOUT = { timeout: 60_000 };

async function withWorld(
  triggers: Parameters<typeof startWorld>[0],
  answer: Answer,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const world = await startWorld(triggers, answer);
  try {
    await use(world);
  } finally {
    await world.close();
  }
}

const publishAll = (world: World, count: number, more: (place: number) => Partial<CloudEvent> = () => ({})) =>
  world.dispatch.publish(Array.from({ length: count }, (_, place) => cloudEvent(`e${place}`, more(place))));
const idle = (world: World) => world.until(() => isIdle(world), 'idle');

describe('events: delivery', TIMEOUT, () => {
  it('gives each matching trigger the event, and says how many there are', () =>
    withWorld(
      [
        trigger('mail'),
        trigger('bill'),
        trigger('other', {}, { kind: 'events', pattern: { type: ['x'] }, format: 'cloudevent' }),
      ],
      () => null,
      async (world) => {
        const [published] = await world.dispatch.publish([cloudEvent('a')]);
        assert.deepEqual([published!.stored, published!.owed], [true, 2]);
        await idle(world);
        assert.deepEqual(world.calls, [['a'], ['a']]);
        const [again] = await world.dispatch.publish([cloudEvent('a')]);
        assert.deepEqual(again, { seq: published!.seq, stored: false, owed: 0 });
        assert.equal((await world.store.events.totals()).owed, 0);
      },
    ));

  it('tries a failed one again until it is dead, tells of it on the bus, and redrives it', () => {
    let broken = true;
    const alerts: CloudEvent[] = [];
    const answer: Answer = ([event], call) => {
      if (call.version.name === 'ops') alerts.push(event!);
      else if (broken) throw new FunctionFailed('no');
    };
    const ops = trigger(
      'ops',
      {},
      { kind: 'events', pattern: { type: ['lambent.dead-letter'] }, format: 'cloudevent' },
    );
    return withWorld([trigger('mail', { attemptsMax: 3 }), ops], answer, async (world) => {
      await world.dispatch.publish([cloudEvent('a')]);
      await world.until(() => alerts.length === 1, 'an alert');
      assert.deepEqual(world.calls.slice(0, 3), [['a'], ['a'], ['a']]);
      const [dead] = await world.store.events.listDead({}, 9);
      assert.deepEqual([dead!.trigger, dead!.attempts, dead!.error.errorMessage], [mail, 3, 'Error: no']);
      const data = alerts[0]!.data as { deadLetter: number; event: { id: string } };
      assert.deepEqual([data.deadLetter, data.event.id], [dead!.key, 'a']);
      broken = false;
      await world.store.events.redriveDead([dead!.key], world.clock.nowMs());
      world.dispatch.wake(mail);
      await idle(world);
      assert.deepEqual(world.calls.at(-1), ['a']);
    });
  });

  it('does not try again what cannot succeed, and gives up on what is too old', () =>
    withWorld(
      [trigger('mail', { attemptsMax: 10_000, ageMaxMs: 60_000, retryFirstMs: 50, retryMaxMs: 50 })],
      ([event]) => {
        throw event!.id === 'bad' ? new Error('refused') : new FunctionFailed('later');
      },
      async (world) => {
        await world.dispatch.publish([cloudEvent('bad'), cloudEvent('old')]);
        await idle(world);
        const tries = (id: string) => world.calls.filter(([first]) => first === id).length;
        assert.equal(tries('bad'), 1);
        assert.ok(tries('old') > 1 && tries('old') < 10_000, String(tries('old')));
        assert.equal((await world.store.events.totals()).dead, 2);
      },
    ));

  it('makes one batch of what came together, and keeps the order when few come behind many', () =>
    withWorld(
      [trigger('mail', { batched: true, batchMax: 1_000, concurrency: 9, key: 'subject' })],
      () => null,
      async (world) => {
        const events = Array.from({ length: 400 }, (_, at) =>
          cloudEvent(`e${at}`, { subject: `s${at % 300}` }),
        );
        const { dispatch } = world;
        await Promise.all([dispatch.publish(events.slice(0, 390)), dispatch.publish(events.slice(390))]);
        await idle(world);
        assert.ok(world.calls.length <= 4, `${world.calls.length} calls`);
        const order = world.calls.flat();
        for (let at = 300; at < 400; at += 1)
          assert.ok(order.indexOf(`e${at - 300}`) < order.indexOf(`e${at}`), `e${at}`);
        assert.equal(new Set(order).size, 400);
      },
    ));

  it('calls with no more than its concurrency at once', () => {
    let now = 0;
    let most = 0;
    const answer: Answer = async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
    };
    return withWorld([trigger('mail', { concurrency: 3 })], answer, async (world) => {
      await publishAll(world, 50);
      await idle(world);
      assert.equal(most, 3);
      assert.equal(world.calls.length, 50);
    });
  });

  it('keeps to its rate', () =>
    withWorld(
      [trigger('mail', { ratePerSecond: 10 })],
      () => null,
      async (world) => {
        const startMs = world.clock.nowMs();
        await publishAll(world, 40);
        await idle(world);
        const tookMs = world.clock.nowMs() - startMs;
        assert.ok(tookMs >= 2_900, String(tookMs));
      },
    ));

  it('delivers only the last of a burst when it debounces', () =>
    withWorld(
      [trigger('mail', { debounceMs: 100, key: 'subject' })],
      () => null,
      async (world) => {
        await publishAll(world, 6, (place) => ({ subject: place % 2 === 0 ? 'even' : 'odd' }));
        await idle(world);
        assert.deepEqual(world.calls.flat().toSorted(), ['e4', 'e5']);
      },
    ));

  it('delivers a value once within its window', () =>
    withWorld(
      [trigger('mail', { dedupeKey: 'data.order', dedupeMs: 1_000 })],
      () => null,
      async (world) => {
        await publishAll(world, 3, () => ({ data: { order: 7 } }));
        await idle(world);
        world.clock.advance(1_000);
        await world.dispatch.publish([cloudEvent('late', { data: { order: 7 } })]);
        await idle(world);
        assert.deepEqual(world.calls, [['e0'], ['late']]);
      },
    ));

  it('keeps its place while it is paused, over a restart', async () => {
    let world = await startWorld([trigger('mail')]);
    try {
      await world.dispatch.setPaused(mail, true);
      await publishAll(world, 3);
      world = await world.crash();
      await world.dispatch.publish([cloudEvent('e3')]);
      assert.deepEqual(world.calls, []);
      await world.dispatch.setPaused(mail, false);
      await idle(world);
      assert.deepEqual(world.calls.flat(), ['e0', 'e1', 'e2', 'e3']);
    } finally {
      await world.close();
    }
  });

  it('keeps what is owed to a trigger that is gone until it is back', () =>
    withWorld(
      [trigger('mail', { concurrency: 1 })],
      () => null,
      async (world) => {
        await world.dispatch.setPaused(mail, true);
        await publishAll(world, 3);
        world.apps.deploy([]);
        await world.dispatch.setPaused(mail, false);
        const [unseen] = await world.dispatch.publish([cloudEvent('unseen')]);
        assert.equal(unseen!.owed, 0);
        world.apps.deploy([trigger('mail')]);
        await world.dispatch.publish([]);
        await world.dispatch.setPaused(mail, false);
        await idle(world);
        assert.deepEqual(world.calls.flat(), ['e0', 'e1', 'e2']);
      },
    ));

  it('catches up with more than memory holds', () =>
    withWorld(
      [trigger('mail', { batchMax: 100, batched: true })],
      () => null,
      async (world) => {
        await world.dispatch.setPaused(mail, true);
        for (let part = 0; part < 6; part += 1)
          await world.dispatch.publish(Array.from({ length: 1_000 }, (_, at) => cloudEvent(`${part}-${at}`)));
        await world.dispatch.setPaused(mail, false);
        await world.dispatch.publish([cloudEvent('last')]);
        await idle(world);
        const ids = world.calls.flat();
        assert.equal(new Set(ids).size, 6_001);
        assert.equal(ids.length, 6_001);
      },
    ));

  it('sends outcomes on: to a function of the app, and onto the bus', () => {
    const seen: [string, string, unknown][] = [];
    const answer: Answer = ([event], call) => {
      if (call.version.name !== 'mail') seen.push([call.version.name, event!.type, event!.data]);
      else if (event!.id === 'bad') throw new Error('no');
      return { sent: event!.id };
    };
    const emitted = trigger(
      'audit',
      {},
      { kind: 'events', pattern: { type: ['mail.failed'] }, format: 'cloudevent' },
    );
    const delivery = {
      onSuccess: { kind: 'function' as const, function: 'thanks' as never },
      onFailure: { kind: 'emit' as const, type: 'mail.failed' },
    };
    return withWorld([trigger('mail', delivery), emitted], answer, async (world) => {
      await world.dispatch.publish([cloudEvent('good'), cloudEvent('bad')]);
      await world.until(() => seen.length === 2, 'both outcomes');
      const thanks = seen.find(([name]) => name === 'thanks')!;
      assert.equal(thanks[1], 'lambent.delivery.succeeded');
      assert.deepEqual((thanks[2] as { responsePayload: unknown }).responsePayload, { sent: 'good' });
      const audit = seen.find(([name]) => name === 'audit')!;
      assert.equal((audit[2] as { error: { errorMessage: string } }).error.errorMessage, 'Error: no');
    });
  });

  it('stops a chain of events that cause each other', () => {
    const errors: unknown[] = [];
    let world: World;
    const answer: Answer = async ([event], call: EventCall) => {
      const next = cloudEvent(`${event!.id}+`);
      await world.dispatch
        .publish([next], { depth: (call.depth ?? 0) + 1 })
        .catch((thrown: unknown) => errors.push(thrown));
    };
    return withWorld([trigger('mail')], answer, async (started) => {
      world = started;
      await world.dispatch.publish([cloudEvent('a')]);
      await world.until(() => errors.length > 0, 'the end of the chain');
      assert.ok(errors[0] instanceof LambentError && errors[0].code === 'E_EVENT_LOOP');
      assert.equal(world.calls.length, 17);
    });
  });
});

describe('events: batches', TIMEOUT, () => {
  it('fill up to their size within their window', () =>
    withWorld(
      [trigger('mail', { batchMax: 4, batched: true, windowMs: 200 })],
      () => null,
      async (world) => {
        await publishAll(world, 6);
        await idle(world);
        assert.deepEqual(
          world.calls.map((call) => call.length),
          [4, 2],
        );
      },
    ));

  for (const [shape, answerOf] of [
    [
      'batchItemFailures',
      (ids: string[]) => ({ batchItemFailures: ids.map((id) => ({ itemIdentifier: id })) }),
    ],
    ['failed', (ids: string[]) => ({ failed: ids })],
  ] as const)
    it(`try only those again that are reported in ${shape}`, () => {
      let first = true;
      const answer: Answer = (events) => {
        if (!first) return {};
        first = false;
        return answerOf(events.map(({ id }) => id).filter((id) => id === 'e1'));
      };
      return withWorld([trigger('mail', { batchMax: 3, batched: true })], answer, async (world) => {
        await publishAll(world, 3);
        await idle(world);
        assert.deepEqual(world.calls, [['e0', 'e1', 'e2'], ['e1']]);
      });
    });

  it('fail as a whole when the report makes no sense', () => {
    let first = true;
    const answer: Answer = () => {
      const sense = { failed: first ? ['nobody'] : [] };
      first = false;
      return sense;
    };
    return withWorld(
      [trigger('mail', { batchMax: 3, batched: true, windowMs: 300 })],
      answer,
      async (world) => {
        await publishAll(world, 2);
        await idle(world);
        assert.deepEqual(world.calls.flat().toSorted(), ['e0', 'e0', 'e1', 'e1']);
      },
    );
  });

  it('are halved until the one that fails is alone', () =>
    withWorld(
      [trigger('mail', { batchMax: 8, batched: true, bisect: true, attemptsMax: 1 })],
      (events) => {
        if (events.some(({ id }) => id === 'e5')) throw new FunctionFailed('poison');
      },
      async (world) => {
        await publishAll(world, 8);
        await idle(world);
        const [dead] = await world.store.events.listDead({}, 9);
        assert.deepEqual([dead!.id, (await world.store.events.totals()).dead], ['e5', 1]);
        assert.equal(world.calls.length, 7);
      },
    ));
});

describe('events: order', TIMEOUT, () => {
  const byKey = { key: 'subject', concurrency: 16, attemptsMax: 50 };
  const subjectOf = (place: number) => ({ subject: `k${place % 3}` });
  const firstOf = (calls: readonly string[][], subject: number): string[] =>
    [...new Set(calls.flat())].filter((id) => Number(id.slice(1)) % 3 === subject);

  it('holds within a key, and only there', () =>
    withWorld(
      [trigger('mail', byKey)],
      async () => {
        for (let turn = 0; turn < Math.random() * 5; turn += 1)
          await new Promise((resolve) => setImmediate(resolve));
      },
      async (world) => {
        await publishAll(world, 60, subjectOf);
        await idle(world);
        for (const subject of [0, 1, 2])
          assert.deepEqual(
            firstOf(world.calls, subject),
            Array.from({ length: 20 }, (_, at) => `e${at * 3 + subject}`),
          );
      },
    ));

  it('lets a failing key block itself only, until its event is delivered or dead', async () => {
    let broken = true;
    let world = await startWorld([trigger('mail', byKey)], ([event]) => {
      if (broken && event!.id === 'e0') throw new FunctionFailed('not yet');
    });
    const isBlocked = (): boolean => !world.calls.flat().includes('e3');
    try {
      await publishAll(world, 30, subjectOf);
      await world.until(() => new Set(world.calls.flat()).size === 21, 'the other keys');
      assert.ok(isBlocked());
      world = await world.crash();
      await world.dispatch.publish([cloudEvent('e30', { subject: 'k0' })]);
      await world.until(() => world.calls.filter(([id]) => id === 'e0').length > 3, 'more attempts');
      assert.ok(isBlocked());
      broken = false;
      await idle(world);
      assert.deepEqual(
        firstOf(world.calls, 0),
        Array.from({ length: 11 }, (_, at) => `e${at * 3}`),
      );
    } finally {
      await world.close();
    }
  });
});

describe('events: crashes', TIMEOUT, () => {
  for (const seed of [11, 12, 13])
    it(`lose nothing and keep the order of each key (seed ${seed})`, async () => {
      const random = createSeededRandom(seed);
      const policy = { key: 'subject', concurrency: 4, attemptsMax: 1_000, batchMax: 3, batched: true };
      const answer: Answer = async (events) => {
        if (random.fraction() < 0.1) await new Promise((resolve) => setImmediate(resolve));
        if (random.fraction() < 0.1) throw new FunctionFailed('now and then');
        return { failed: events.filter(() => random.fraction() < 0.1).map(({ id }) => id) };
      };
      let world = await startWorld([trigger('mail', policy)], answer, seed);
      const acknowledged: string[] = [];
      try {
        for (let round = 0; round < 12; round += 1) {
          const events = Array.from({ length: 20 }, (_, at) =>
            cloudEvent(`e${round * 20 + at}`, { subject: `k${Math.floor(random.fraction() * 5)}` }),
          );
          await world.dispatch.publish(events);
          acknowledged.push(...events.map(({ id }) => id));
          for (let step = 0; step < random.fraction() * 40; step += 1) {
            world.clock.advance(3);
            await new Promise((resolve) => setImmediate(resolve));
          }
          if (random.fraction() < 0.6) world = await world.crash();
        }
        await idle(world);
        const first = [...new Set(world.calls.flat())];
        assert.deepEqual(first.toSorted(), acknowledged.toSorted());
        const subjects = new Map<string, string>();
        for (const { items } of [await world.store.events.readEvents({}, 1_000, 0)])
          for (const { event } of items) {
            const parsed = JSON.parse(Buffer.from(event).toString()) as CloudEvent;
            subjects.set(parsed.id, parsed.subject!);
          }
        for (const subject of new Set(subjects.values())) {
          const ofKey = (ids: readonly string[]) => ids.filter((id) => subjects.get(id) === subject);
          assert.deepEqual(ofKey(first), ofKey(acknowledged), `order of ${subject}`);
        }
      } finally {
        await world.close();
      }
    });
});
