import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CloudEvent } from '../model/cloud-event.ts';
import type { TargetInput } from '../model/trigger.ts';
import { targetInput } from './target-input.ts';

const EVENT: CloudEvent = {
  specversion: '1.0',
  id: 'e-1',
  source: 'shop',
  type: 'order placed',
  time: '2026-03-01T09:00:00.000Z',
  data: { who: 'Ann "A"', total: 12, items: [{ sku: 'x' }], 'two words': true },
};

function made(input: TargetInput, isScheduled = false): unknown {
  const json = targetInput({ name: 'r', arn: 'arn:r', isScheduled, input }, EVENT, 0);
  return JSON.parse(json);
}
const template = (text: string, paths: Record<string, string> = {}): unknown =>
  made({ kind: 'template', template: text, paths });

describe('what the target of a rule gets', () => {
  it('is the event as EventBridge sends it, or a part of it', () => {
    const whole = made({ kind: 'event' }) as Record<string, unknown>;
    assert.deepEqual([whole['detail-type'], whole.detail], ['order placed', EVENT.data]);
    for (const [path, value] of [
      ['$', whole],
      ['$.detail.items[0].sku', 'x'],
      ['$.detail-type', 'order placed'],
      [`$.detail['two words']`, true],
      ['$.detail.toString', null],
      ['$.detail.items[7]', null],
    ] as const)
      assert.deepEqual(made({ kind: 'path', path }), value, path);
    assert.deepEqual(made({ kind: 'constant', json: '[1]' }), [1]);
  });

  it('is a template with values put in, quoted or not', () => {
    const paths = { who: '$.detail.who', total: '$.detail.total', items: '$.detail.items', no: '$.no' };
    assert.deepEqual(template('{"a": <who>, "b": <total>, "c": <items>, "d": <no>}', paths), {
      ...{ a: 'Ann "A"', b: 12, c: [{ sku: 'x' }], d: null },
    });
    assert.equal(
      template('"<who> pays <total> for <items><no>"', paths),
      'Ann "A" pays 12 for [{"sku":"x"}]',
    );
    assert.equal(template('<who> pays', paths), '"Ann \\"A\\"" pays', 'what is no JSON is a text');
    const known = '[<aws.events.rule-name>, <aws.events.rule-arn>, <aws.events.event.ingestion-time>]';
    assert.deepEqual(template(known), ['r', 'arn:r', '1970-01-01T00:00:00.000Z']);
    assert.equal((template('<aws.events.event>') as Record<string, unknown>).detail, undefined);
    assert.deepEqual((template('<aws.events.event.json>') as Record<string, unknown>).detail, EVENT.data);
  });

  it('is a Scheduled Event where the rule has a schedule', () => {
    const event = made({ kind: 'event' }, true) as Record<string, unknown>;
    assert.deepEqual(
      [event['detail-type'], event.source, event.resources, event.detail, event.time],
      ['Scheduled Event', 'aws.events', ['arn:r'], {}, '2026-03-01T09:00:00Z'],
    );
  });
});
