import assert from 'node:assert/strict';
import { test } from 'node:test';
import { awsLambdaCost } from './cost.ts';

const close = (actual: number, expected: number): void => {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);
};

test('a million calls of 100 ms with 1 GB', () => {
  // 1,000,000 × 0.1 s × 1 GB = 100,000 GB-s; × 0.0000166667 = 1.66667; requests: 0.20.
  const usage = { invocations: 1_000_000, billedMs: 100_000_000, billedMbMs: 100_000_000 * 1_024 };
  const x86 = awsLambdaCost.price(usage, 'x86_64');
  close(x86.requestsUsd, 0.2);
  close(x86.computeUsd, 1.66667);
  close(x86.totalUsd, 1.86667);
  // On arm: 100,000 × 0.0000133334.
  close(awsLambdaCost.price(usage, 'arm64').computeUsd, 1.33334);
});

test('three million calls of 120 ms with 1,536 MB', () => {
  // 3,000,000 × 0.12 s × 1.5 GB = 540,000 GB-s; × 0.0000166667 = 9.000018; requests: 0.60.
  const cost = awsLambdaCost.price(
    { invocations: 3_000_000, billedMs: 360_000_000, billedMbMs: 360_000_000 * 1_536 },
    'x86_64',
  );
  close(cost.requestsUsd, 0.6);
  close(cost.computeUsd, 9.000018);
});

test('less than 128 MB is billed as 128 MB', () => {
  // 8,000,000 ms × 128 MB = 1,000 GB-s.
  const cost = awsLambdaCost.price(
    { invocations: 0, billedMs: 8_000_000, billedMbMs: 8_000_000 * 64 },
    'x86_64',
  );
  close(cost.computeUsd, 0.0166667);
});

test('nothing costs nothing, and the table says where it comes from', () => {
  assert.equal(awsLambdaCost.price({ invocations: 0, billedMs: 0, billedMbMs: 0 }, 'x86_64').totalUsd, 0);
  assert.match(awsLambdaCost.table.date, /^\d{4}-\d{2}-\d{2}$/);
  assert.match(awsLambdaCost.table.source, /^https:\/\/aws\.amazon\.com\//);
  assert.equal(awsLambdaCost.table.region, 'us-east-1');
});
