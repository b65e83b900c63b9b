import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { DeliveryPolicy } from '../model/trigger.ts';
import type { ClaimedDelivery } from '../ports/event-store.ts';
import { retryAtMs } from './retry-time.ts';

it('pauses are drawn between nothing and a ceiling that doubles, up to the most', () => {
  const policy = {
    attemptsMax: 8,
    ageMaxMs: 1_000_000,
    retryFirstMs: 100,
    retryMaxMs: 1_000,
  } as DeliveryPolicy;
  const pauseMs = (attempts: number, fraction: number, owedMs = 0): number | undefined => {
    const delivery = { attempts, owedMs } as ClaimedDelivery;
    const atMs = retryAtMs(policy, delivery, 5_000, {
      fraction: () => fraction,
      bytes: () => new Uint8Array(),
    });
    return atMs === undefined ? undefined : atMs - 5_000;
  };
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6].map((attempts) => pauseMs(attempts, 0.5)),
    [50, 100, 200, 400, 500, 500, 500],
  );
  assert.deepEqual([pauseMs(2, 0), pauseMs(2, 0.999)], [0, 400]);
  assert.deepEqual([pauseMs(7, 0.5), pauseMs(0, 0.5, 5_000 - 1_000_000)], [undefined, undefined]);
});
