import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METRIC_TRIGGERS_MAX, renderTriggerMetrics } from './trigger-metrics.ts';

const figures = { owed: 2, running: 1, delivered: 7, failed: 3, dead: 4, oldestMs: 1_000 };

test('each trigger has its figures, and the age of the oldest it is owed', () => {
  const text = renderTriggerMetrics([{ id: 'shop/bill', ...figures }], 3_500);
  assert.deepEqual(
    text.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
    [
      'lambent_trigger_delivered_total{trigger="shop/bill"} 7',
      'lambent_trigger_failed_attempts_total{trigger="shop/bill"} 3',
      'lambent_trigger_dead_letters{trigger="shop/bill"} 4',
      'lambent_trigger_owed{trigger="shop/bill"} 2',
      'lambent_trigger_running{trigger="shop/bill"} 1',
      'lambent_trigger_oldest_seconds{trigger="shop/bill"} 2.5',
    ],
  );
  assert.match(text, /# TYPE lambent_trigger_delivered_total counter/);
  const idle = renderTriggerMetrics([{ id: 'a', ...figures, oldestMs: undefined }], 3_500);
  assert.match(idle, /oldest_seconds\{trigger="a"\} 0\n/);
});

test('only so many triggers have series', () => {
  const many = Array.from({ length: METRIC_TRIGGERS_MAX + 1 }, (_, at) => ({ id: `t${at}`, ...figures }));
  const text = renderTriggerMetrics(many, 0);
  assert.match(text, new RegExp(`"t${METRIC_TRIGGERS_MAX - 1}"`));
  assert.doesNotMatch(text, new RegExp(`"t${METRIC_TRIGGERS_MAX}"`));
});
