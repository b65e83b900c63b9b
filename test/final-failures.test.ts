import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

/** A function says that its failure is final: nobody who would try it again does. */

const FILES = {
  'lambent.yaml': `
app: final
functions:
  node:
    on:
      - events: { type: [final] }
  python: {}
  shell: {}
workflows:
  calls: {}
`,
  'functions/node.js': `
import { FatalError } from 'lambent';
export const handler = async (event) => {
  if (event.passing) throw Object.assign(new Error('busy'), { retryable: true });
  throw new FatalError('no such customer');
};`,
  'functions/python.py': `
from lambent import FatalError

class NoCustomer(FatalError):
    pass

def handler(event, context):
    raise NoCustomer("no such customer")
`,
  'functions/shell/bootstrap': `#!/bin/bash
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
HEADERS="$(mktemp)"
while true; do
  EVENT=$(curl -sS -D "$HEADERS" "$API/next")
  ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  case "$EVENT" in *passing*) AGAIN=true ;; *) AGAIN=false ;; esac
  curl -sS -o /dev/null "$API/$ID/error" -d '{"errorType":"NoCustomer","errorMessage":"no","retryable":'$AGAIN'}'
done
`,
  'workflows/calls.js': `
import { workflow } from 'lambent';
export default workflow(async (ctx, { name, input }) => {
  await ctx.call(name, input, { retry: { attempts: 3, initial: '1ms' } });
});`,
};

describe('a failure that is final', { timeout: 120_000 }, () => {
  let lambent: TestPlatform;
  before(async () => {
    lambent = await startTestPlatform({ final: FILES });
  });
  after(() => lambent.close());

  const recordsOf = (name: string): unknown[] =>
    lambent.events.filter((event) => event.kind === 'invocation' && event.record.function === name);

  for (const [name, input, attempts, errorType] of [
    ['node', {}, 1, 'FatalError'],
    ['python', {}, 1, 'NoCustomer'],
    ['shell', {}, 1, 'NoCustomer'],
    ['shell', { passing: true }, 3, 'NoCustomer'],
    ['node', { passing: true }, 3, 'Error'],
  ] as const)
    it(`of ${name} with ${JSON.stringify(input)} takes a workflow ${attempts} attempt(s)`, async () => {
      const before = recordsOf(name).length;
      const path = '/apps/final/workflows/calls/executions?wait=20';
      const { json } = await lambent.api('POST', path, { name, input });
      const { error } = json as { error: { errorType: string } };
      assert.equal(error.errorType, errorType);
      assert.equal(recordsOf(name).length - before, attempts);
    });

  it('makes an event a dead letter at the first attempt', async () => {
    const before = recordsOf('node').length;
    const published = await lambent.fetch('/_lambent/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', source: '/test', type: 'final', id: '1' }),
    });
    assert.equal(published.status, 202);
    const deadLetters = async (): Promise<{ attempts: number }[]> => {
      const { json } = await lambent.api('GET', '/dead-letters');
      return (json as { items: { attempts: number }[] }).items;
    };
    await poll(async () => (await deadLetters()).length === 1);
    assert.equal((await deadLetters())[0]!.attempts, 1);
    assert.equal(recordsOf('node').length - before, 1);
  });
});
