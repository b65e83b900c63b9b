import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CreateStateMachineCommand,
  ListStateMachinesCommand,
  SFNClient,
  type SFNServiceException,
} from '@aws-sdk/client-sfn';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { pass, ROLE } from './step-functions-harness.ts';

/* Signatures as AWS' own client makes them, against a server that wants them. */

interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

let platform: TestPlatform;

before(async () => {
  platform = await startTestPlatform({}, { mode: 'start', acceptIsolation: 'E' });
});

after(() => platform.close());

async function api<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const response = await platform.fetch(`/_lambent/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${platform.platform.token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const json = (await response.json()) as Answer;
  assert.ok(response.ok, JSON.stringify(json));
  return json;
}

async function withKey<Result>(
  credentials: Key,
  act: (client: SFNClient) => Promise<Result>,
): Promise<Result | string> {
  const client = new SFNClient({
    endpoint: platform.url,
    region: 'eu-central-1',
    credentials,
    maxAttempts: 1,
  });
  try {
    return await act(client);
  } catch (thrown) {
    return (thrown as SFNServiceException).name;
  } finally {
    client.destroy();
  }
}

const list = (client: SFNClient): Promise<object> => client.send(new ListStateMachinesCommand({}));

test('start takes what is signed with a key of its own, and nothing else', async () => {
  const key = await api<Key>('POST', '/keys', { name: 'ci' });
  assert.match(key.accessKeyId, /^AKIA[A-Z2-7]{16}$/);
  const definition = JSON.stringify({ ...pass, Comment: 'a body with ü and spaces' });
  const made = await withKey(key, (client) =>
    client.send(new CreateStateMachineCommand({ name: 'signed', definition, roleArn: ROLE })),
  );
  assert.ok(typeof made === 'object' && made.stateMachineArn !== undefined, JSON.stringify(made));
  assert.equal(
    await withKey({ ...key, secretAccessKey: 'x'.repeat(40) }, list),
    'UnrecognizedClientException',
  );
  assert.equal(
    await withKey({ ...key, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }, list),
    'UnrecognizedClientException',
  );
  const { items } = await api<{ items: object[] }>('GET', '/keys');
  assert.deepEqual(
    items.map((item) => Object.keys(item).sort()),
    [['accessKeyId', 'createdMs', 'name']],
  );
  await api('DELETE', '/keys/ci');
  assert.equal(await withKey(key, list), 'UnrecognizedClientException');
});

test('what was signed cannot be sent with another body, or later', async () => {
  const key = await api<Key>('POST', '/keys', { name: 'replayed' });
  let signed: { headers: Record<string, string>; body: string } | undefined;
  const client = new SFNClient({
    endpoint: platform.url,
    region: 'us-east-1',
    credentials: key,
    maxAttempts: 1,
  });
  client.middlewareStack.add(
    (next) => (given) => {
      const { headers, body } = given.request as { headers: Record<string, string>; body: string };
      signed = { headers, body };
      return next(given);
    },
    { step: 'finalizeRequest', priority: 'low' },
  );
  await client.send(new ListStateMachinesCommand({}));
  client.destroy();
  const send = async (body: string, headers: Record<string, string>): Promise<number> => {
    const { host, 'content-length': length, ...rest } = { ...signed!.headers, ...headers };
    return (await platform.fetch('/', { method: 'POST', headers: rest, body })).status;
  };
  assert.equal(await send(signed!.body, {}), 200);
  assert.equal(await send('{"maxResults":1}', {}), 403);
  assert.equal(await send(signed!.body, { 'x-amz-date': '20200101T000000Z' }), 403);
  assert.equal(await send(signed!.body, { 'x-amz-target': 'AWSStepFunctions.ListActivities' }), 403);
  assert.equal(await send(signed!.body, { authorization: 'AWS4-HMAC-SHA256 Credential=nonsense' }), 403);
});
