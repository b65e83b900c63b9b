import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { LambentError } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import { ManualClock } from '../../base/manual-clock.ts';
import { createSeededRandom } from '../../base/random.ts';
import type { CloudEvent } from '../../model/cloud-event.ts';
import { DELIVERY_DEFAULTS, type Trigger, type TriggerId, type WebhookScheme } from '../../model/trigger.ts';
import { createWebhookSources } from './webhook-source.ts';
import { sealEvent } from '../../model/sealed-event.ts';

const KEY = 'a key of mine';
const STANDARD_KEY = `whsec_${Buffer.from('twenty-four bytes of key').toString('base64')}`;

interface Hook {
  readonly clock: ManualClock;
  readonly events: CloudEvent[];
  readonly env: Record<string, string>;
  post(body: string, headers?: Record<string, string>): Promise<{ status: number; text: string }>;
  get(query: string): Promise<{ status: number; text: string }>;
}

function openHook(verify: WebhookScheme, publishFails = false): Hook {
  const clock = new ManualClock();
  const events: CloudEvent[] = [];
  const env: Record<string, string> = { KEY, STANDARD: STANDARD_KEY, OLD: 'an older key' };
  const sources = createWebhookSources();
  const source = {
    kind: 'webhook',
    verify,
    secrets: ['OLD', 'KEY', 'STANDARD', 'PUBLIC'],
    toleranceMs: 300_000,
  };
  sources.factory.open({
    id: 'shop/paid' as TriggerId,
    app: 'shop' as never,
    trigger: { source, delivery: DELIVERY_DEFAULTS } as unknown as Trigger,
    position: undefined,
    clock,
    random: createSeededRandom(1),
    log: silentLog,
    secret: async (name) => env[name],
    address: () => Promise.reject(new Error('a webhook connects to nothing')),
    alert: async () => {},
    isBusy: async () => false,
    async publish(published) {
      if (publishFails) throw new LambentError('E_OVERLOADED', 'full', { retryAfterS: 5 });
      events.push(...published.map((each) => sealEvent(each).parsed));
      return published.map(() => ({ seq: 1, stored: true, owed: 1 }));
    },
  });
  const send = async (url: string, init: RequestInit): Promise<{ status: number; text: string }> => {
    const response = await sources.fetch(new Request(`http://localhost/_lambent/hooks/${url}`, init));
    return { status: response.status, text: await response.text() };
  };
  return {
    clock,
    events,
    env,
    post: (body, headers = {}) =>
      send('shop/paid', {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      }),
    get: (query) => send(`shop/paid?${query}`, { method: 'GET' }),
  };
}

const seconds = (clock: ManualClock, awayS = 0): string => String(Math.floor(clock.nowMs() / 1_000) + awayS);
const hmac = (key: string | Buffer, text: string, encoding: 'hex' | 'base64', algorithm = 'sha256'): string =>
  createHmac(algorithm, key).update(text).digest(encoding);

/** Headers by which each scheme signs a body. */
const SIGN: Readonly<
  Record<string, (body: string, timestamp: string, key: string) => Record<string, string>>
> = {
  standard: (body, timestamp, key) => ({
    'webhook-id': 'msg_1',
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,AAAA v1,${hmac(Buffer.from(key.replace('whsec_', ''), 'base64'), `msg_1.${timestamp}.${body}`, 'base64')}`,
  }),
  github: (body, _timestamp, key) => ({
    'x-hub-signature-256': `sha256=${hmac(key, body, 'hex')}`,
    'x-github-event': 'issues',
    'x-github-delivery': 'gh-1',
  }),
  stripe: (body, timestamp, key) => ({
    'stripe-signature': `t=${timestamp},v1=${'00'.repeat(32)},v1=${hmac(key, `${timestamp}.${body}`, 'hex')},v0=x`,
  }),
  slack: (body, timestamp, key) => ({
    'x-slack-request-timestamp': timestamp,
    'x-slack-signature': `v0=${hmac(key, `v0:${timestamp}:${body}`, 'hex')}`,
  }),
};

const BODIES: Readonly<Record<string, readonly [string, string, string]>> = {
  standard: ['{"type":"user.created","data":{"grüße":1}}', 'user.created', 'msg_1'],
  github: ['{"action":"opened"}', 'github.issues.opened', 'gh-1'],
  stripe: ['{"id":"evt_1","type":"invoice.paid"}', 'stripe.invoice.paid', 'evt_1'],
  slack: ['{"event_id":"Ev1","event":{"type":"app_mention"}}', 'slack.app_mention', 'Ev1'],
};

describe('webhooks', () => {
  for (const kind of ['standard', 'github', 'stripe', 'slack'] as const) {
    const [body, type, id] = BODIES[kind]!;
    const key = kind === 'standard' ? STANDARD_KEY : KEY;

    it(`${kind}: takes what a key signed, and nothing else`, async () => {
      const hook = openHook({ kind });
      const good = SIGN[kind]!(body, seconds(hook.clock), key);
      assert.deepEqual((await hook.post(body, good)).status, 202);
      const [event] = hook.events;
      assert.deepEqual([event!.type, event!.id, event!.source], [type, id, '/lambent/webhooks/shop/paid']);
      assert.deepEqual(event!.data, JSON.parse(body));
      const other = SIGN[kind]!(body, seconds(hook.clock), `whsec_${Buffer.from('no').toString('base64')}`);
      for (const [text, headers] of [
        [`${body} `, good],
        [body, other],
        [body, {}],
      ] as const) {
        const { status, text: answer } = await hook.post(text, headers);
        assert.deepEqual([status, JSON.parse(answer).error.code], [401, 'E_SIGNATURE_INVALID']);
      }
      assert.equal(hook.events.length, 1);
    });

    if (kind !== 'github')
      it(`${kind}: refuses what is too old or from the future`, async () => {
        const hook = openHook({ kind });
        for (const awayS of [-301, 301]) {
          const headers = SIGN[kind]!(body, seconds(hook.clock, awayS), key);
          assert.equal((await hook.post(body, headers)).status, 401);
        }
        const headers = SIGN[kind]!(body, seconds(hook.clock, -299), key);
        assert.equal((await hook.post(body, headers)).status, 202);
      });
  }

  it('standard: takes an asymmetric signature', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const hook = openHook({ kind: 'standard' });
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    hook.env.PUBLIC = `whpk_${raw.toString('base64')}`;
    const timestamp = seconds(hook.clock);
    const signature = sign(null, Buffer.from(`msg_2.${timestamp}.{}`), privateKey).toString('base64');
    const headers = { 'svix-id': 'msg_2', 'svix-timestamp': timestamp, 'svix-signature': `v1a,${signature}` };
    assert.equal((await hook.post('{}', headers)).status, 202);
    assert.equal((await hook.post('{"a":1}', headers)).status, 401);
  });

  it('hmac: as the manifest says', async () => {
    const scheme = { kind: 'hmac', header: 'x-shop-hmac', algorithm: 'sha512', encoding: 'base64' } as const;
    const hook = openHook({ ...scheme, prefix: 'v=', idHeader: 'x-shop-id' });
    const body = '{"order":1}';
    const headers = {
      'x-shop-hmac': `v=${hmac(KEY, body, 'base64', 'sha512')}`,
      'x-shop-id': '77',
      'x-topic': 'orders',
    };
    assert.equal((await hook.post(body, headers)).status, 202);
    const [event] = hook.events;
    assert.deepEqual([event!.id, event!.type], ['77', 'webhook']);
    assert.deepEqual(JSON.parse(String(event!.webhookheaders)), { 'x-shop-id': '77', 'x-topic': 'orders' });
    assert.equal(
      (await hook.post(body, { ...headers, 'x-shop-hmac': headers['x-shop-hmac'].slice(2) })).status,
      401,
    );
  });

  it('answers handshakes', async () => {
    const slack = openHook({ kind: 'slack' });
    const body = '{"type":"url_verification","challenge":"abc"}';
    const answer = await slack.post(body, SIGN.slack!(body, seconds(slack.clock), KEY));
    assert.deepEqual([answer, slack.events.length], [{ status: 200, text: 'abc' }, 0]);
    assert.equal((await slack.post(body)).status, 401);
    const github = openHook({ kind: 'github' });
    const ping = { ...SIGN.github!('{}', '', KEY), 'x-github-event': 'ping' };
    assert.deepEqual([(await github.post('{}', ping)).status, github.events.length], [200, 0]);
    const hub = await github.get(
      `hub.mode=subscribe&hub.challenge=77&hub.verify_token=${encodeURIComponent(KEY)}`,
    );
    assert.deepEqual(hub, { status: 200, text: '77' });
    assert.equal((await github.get('hub.challenge=77&hub.verify_token=x')).status, 401);
  });

  it('tells a sender to come again when the event cannot be stored, and of our own faults nothing', async () => {
    const full = openHook({ kind: 'none' }, true);
    const refused = await full.post('{}');
    assert.equal(refused.status, 503);
    assert.doesNotMatch(refused.text, /full/);
    const keyless = openHook({ kind: 'github' });
    for (const name of Object.keys(keyless.env)) delete keyless.env[name];
    const { status, text } = await keyless.post('{}');
    assert.deepEqual([status, JSON.parse(text).error.code], [500, 'E_SECRET_MISSING']);
    assert.doesNotMatch(text, /STANDARD|OLD/);
  });

  it('takes text and bytes as they are', async () => {
    const hook = openHook({ kind: 'none' });
    await hook.post('a=1&b=2', { 'content-type': 'application/x-www-form-urlencoded' });
    await hook.post('\u00ff', { 'content-type': 'application/octet-stream' });
    await hook.post('{', {}).then(({ status }) => assert.equal(status, 400));
    assert.deepEqual([hook.events[0]!.data, hook.events[1]!.data_base64], ['a=1&b=2', 'w78=']);
    assert.notEqual(hook.events[0]!.id, hook.events[1]!.id);
  });
});
