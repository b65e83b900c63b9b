import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import { createEventBridgeApi } from './event-bridge.ts';
import { sealEvent } from '../model/sealed-event.ts';

function open(refuses = false) {
  const events: CloudEvent[] = [];
  let minted = 0;
  const api = createEventBridgeApi({
    clock: new ManualClock(),
    mintUuid: () => {
      minted += 1;
      return `id-${minted}`;
    },
    authorize: async () => {
      if (refuses) throw new LambentError('E_UNAUTHENTICATED', 'no token');
      return { name: 'local' };
    },
    log: silentLog,
    // Its operations have tests of their own.
    rules: { hasBus: (name: string) => name === 'default' } as never,
    bus: {
      async publish(published) {
        events.push(...published.map((each) => sealEvent(each).parsed));
        return published.map(() => ({ seq: 1, stored: true, owed: 0 }));
      },
    },
  });
  return {
    api,
    events,
    async call(operation: string, body: object): Promise<{ status: number; json: Record<string, unknown> }> {
      const request = new Request('http://localhost/', {
        method: 'POST',
        headers: { 'x-amz-target': `AWSEvents.${operation}`, 'content-type': 'application/x-amz-json-1.1' },
        body: JSON.stringify(body),
      });
      const response = await api.fetch(request, '127.0.0.1');
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    },
  };
}

const ENTRY = { Source: 'com.shop', DetailType: 'order placed', Detail: '{"total":150}' };
const EVENT = {
  ...{ id: '1', account: '1', source: 's', time: '2026-01-01T00:00:00Z', region: 'r', resources: [] },
  'detail-type': 't',
};

describe('the EventBridge API', () => {
  it('takes events, and says which entries it could not take', async () => {
    const { call, events } = open();
    const entries = [
      { ...ENTRY, Time: 1_750_000_000, Resources: ['arn:a'], EventBusName: 'default' },
      { ...ENTRY, Detail: '[1]' },
      { ...ENTRY, Source: undefined },
      { ...ENTRY, EventBusName: 'other' },
    ];
    const { status, json } = await call('PutEvents', { Entries: entries });
    assert.deepEqual([status, json.FailedEntryCount], [200, 3]);
    const outcomes = json.Entries as { EventId?: string; ErrorCode?: string }[];
    assert.deepEqual(
      outcomes.map(({ ErrorCode }) => ErrorCode),
      [undefined, 'MalformedDetail', 'InvalidArgument', 'InvalidArgument'],
    );
    const [event] = events;
    assert.equal(event!.id, outcomes[0]!.EventId);
    assert.deepEqual(
      { ...event, id: '' },
      {
        ...{ specversion: '1.0', id: '', source: 'com.shop', type: 'order placed' },
        ...{
          time: '2025-06-15T15:06:40.000Z',
          datacontenttype: 'application/json',
          awsresources: '["arn:a"]',
        },
        data: { total: 150 },
      },
    );
    assert.equal(
      (await call('PutEvents', { Entries: Array(11).fill(ENTRY) })).json.__type,
      'ValidationException',
    );
    assert.equal((await call('PutEvents', {})).status, 400);
  });

  it('tests patterns', async () => {
    const { call } = open();
    const test = (pattern: unknown, event: object = EVENT) =>
      call('TestEventPattern', { Event: JSON.stringify(event), EventPattern: JSON.stringify(pattern) });
    assert.deepEqual((await test({ source: ['s'] })).json, { Result: true });
    assert.deepEqual((await test({ source: ['x'] })).json, { Result: false });
    assert.equal((await test({ source: 's' })).json.__type, 'InvalidEventPatternException');
    assert.equal((await test({ source: ['s'] }, { id: '1' })).json.__type, 'ValidationException');
    const broken = await call('TestEventPattern', { Event: '{}', EventPattern: '{' });
    assert.equal(broken.status, 400);
  });

  it('knows its operations, and asks who calls', async () => {
    const { api, call } = open();
    assert.deepEqual([api.matches('AWSEvents.PutEvents'), api.matches('AWSStepFunctions.X')], [true, false]);
    assert.equal((await call('CreateArchive', {})).json.__type, 'UnknownOperationException');
    assert.equal((await open(true).call('PutEvents', { Entries: [ENTRY] })).status, 403);
  });
});
