import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { it } from 'node:test';
import { verifySignature } from '../src/sources/webhook/verify-signature.ts';
import { type AppFiles, startTestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';

const KEY = `whsec_${Buffer.from('a key of some length').toString('base64')}`;

interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly atMs: number;
}

/** A receiver that answers as it is told, in turn; the last answer stays. */
async function openReceiver(answers: { status: number; retryAfter?: string }[]) {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const { status, retryAfter } = answers.length > 1 ? answers.shift()! : answers[0]!;
    got.push({ headers: request.headers, body, atMs: performance.now() });
    response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter });
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return { url, got, answers, close: () => server.close() };
}

function shopOf(url: string): AppFiles {
  const destination = `{ webhook: "${url}", secret: KEY }`;
  return {
    'lambent.yaml': `
app: shop
functions:
  free:
    env: { KEY: ${KEY} }
    network: ["127.0.0.1"]
    on: [{ events: { type: [free] }, onSuccess: ${destination} }]
  held:
    env: { KEY: ${KEY} }
    on: [{ events: { type: [held] }, onSuccess: ${destination} }]
`,
    'functions/free.js': 'export const handler = async (event) => "done " + event.id;',
    'functions/held.js': 'export const handler = async () => null;',
  };
}

it('outcomes of deliveries are sent outside: signed, later when asked to, and no more after 410', {
  timeout: 60_000,
}, async () => {
  const receiver = await openReceiver([{ status: 503, retryAfter: '2' }, { status: 204 }]);
  const lambent = await startTestPlatform({
    shop: shopOf(receiver.url),
  });
  const publish = (type: string, id: string): Promise<Response> =>
    lambent.fetch('/_lambent/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', source: '/test', type, id }),
    });
  const hooks = async () => {
    const { items } = (await lambent.api('GET', '/triggers')).json as {
      items: { id: string; function: string; paused: boolean; failed: number; owed: number; dead: number }[];
    };
    const of = (name: string) =>
      items.find((each) => each.function === name && each.id.includes('/webhook.'))!;
    return { free: of('free'), held: of('held') };
  };
  try {
    await publish('free', 'f1');
    await poll(() => receiver.got.length === 2);
    const [first, second] = receiver.got as [Got, Got];
    assert.equal(first.headers['webhook-id'], second.headers['webhook-id']);
    assert.ok(second.atMs - first.atMs >= 1_900, 'not before the receiver said');
    const headers = new Headers(second.headers as Record<string, string>);
    const proof = { headers, body: second.body, nowMs: Date.now(), toleranceMs: 60_000, secrets: [KEY] };
    verifySignature({ kind: 'standard' }, proof);
    const { type, data } = JSON.parse(second.body.toString()) as {
      type: string;
      data: { responsePayload: string };
    };
    assert.deepEqual([type, data.responsePayload], ['lambent.delivery.succeeded', 'done f1']);

    await publish('held', 'h1');
    await poll(async () => (await hooks()).held.failed > 0);
    assert.equal(receiver.got.length, 2, 'its function may not connect there, so it may not either');

    receiver.answers.splice(0, 1, { status: 410 });
    await publish('free', 'f2');
    await poll(async () => (await hooks()).free.paused);
    await poll(async () => (await hooks()).free.dead === 1);
    const told = async (): Promise<number> =>
      (
        (await lambent.api('GET', '/events?type=lambent.trigger.disabled&text=410')).json as {
          items: unknown[];
        }
      ).items.length;
    await poll(async () => (await told()) === 1);
    await publish('free', 'f3');
    await poll(async () => (await hooks()).free.owed === 1);
    assert.equal(receiver.got.length, 3, 'what comes now waits');
  } finally {
    await lambent.close();
    receiver.close();
  }
});
