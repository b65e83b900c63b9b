import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { delay, systemClock } from '../src/base/clock.ts';
import { type Server, startServer, waitForToken } from './server-process.ts';

/*
 * State machines over a platform that is killed again and again. Every state calls an endpoint of this test, which
 * knows what was called and what it had answered when the platform died.
 */

const EXECUTIONS = 8;
const STEPS = 4;
/** How often the platform dies, and after how many further calls: while it waits for the answer to the last. */
const KILLS = 3;
const CALLS_A_LIFE = 6;
const ROLE = 'arn:aws:iam::000000000000:role/any';
const MACHINE = 'arn:aws:states:us-east-1:000000000000:stateMachine:steps';

let folder = '';
let endpoint: HttpServer;
let server: Server;
let token = '';
const calls: string[] = [];
let killAt = CALLS_A_LIFE;
let onKill = (): void => {};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambent-asl-crash-'));
  endpoint = createServer((request, response) => {
    calls.push(request.url!);
    // The caller dies before it hears of this call, and of those that follow.
    if (calls.length === killAt) onKill();
    if (killAt === 0 || calls.length < killAt) response.end(JSON.stringify(calls.length));
  });
  endpoint.listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
});

after(async () => {
  server?.child.kill('SIGKILL');
  endpoint.closeAllConnections();
  endpoint.close();
  await rm(folder, { recursive: true, force: true });
});

async function call<Answer>(operation: string, body: object): Promise<Answer> {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'x-amz-target': `AWSStepFunctions.${operation}`, authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  const json = (await response.json()) as Answer;
  assert.equal(response.status, 200, JSON.stringify(json));
  return json;
}

const executionArn = (name: string): string =>
  `arn:aws:states:us-east-1:000000000000:execution:steps:${name}`;

async function open(): Promise<void> {
  // The endpoint is on this machine, which definitions may call only where the operator says so.
  server = await startServer(join(folder, 'data'), [], ['--allow-network', '127.0.0.1']);
  if (token === '') token = await waitForToken(server);
}

function definition(port: number): object {
  const states: Record<string, object> = {};
  for (let step = 1; step <= STEPS; step += 1) {
    states[`S${step}`] = {
      Type: 'Task',
      Resource: 'arn:aws:states:::http:invoke',
      Parameters: {
        'ApiEndpoint.$': `States.Format('http://127.0.0.1:${port}/{}/${step}', $$.Execution.Name)`,
        Method: 'GET',
      },
      ResultPath: `$.s${step}`,
      ResultSelector: { 'body.$': '$.ResponseBody' },
      ...(step < STEPS ? { Next: `S${step + 1}` } : { End: true }),
    };
  }
  return { StartAt: 'S1', States: states };
}

test('every execution ends, and no step whose result was recorded runs again', {
  timeout: 60_000,
}, async () => {
  const { port } = endpoint.address() as AddressInfo;
  await open();
  await call('CreateStateMachine', {
    name: 'steps',
    roleArn: ROLE,
    definition: JSON.stringify(definition(port)),
  });
  let killed = new Promise<void>((resolve) => {
    onKill = resolve;
  });
  const names = Array.from({ length: EXECUTIONS }, (_, index) => `run-${index}`);
  for (const name of names)
    await call('StartExecution', { stateMachineArn: MACHINE, name, input: '{}' }).catch(() => {});
  let lost = 0;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await killed;
    killed = new Promise<void>((resolve) => {
      onKill = resolve;
    });
    server.child.kill('SIGKILL');
    if (server.child.exitCode === null && server.child.signalCode === null) await once(server.child, 'exit');
    lost += EXECUTIONS;
    killAt = kill < KILLS ? calls.length + CALLS_A_LIFE : 0;
    await open();
    // A start that was not acknowledged is made again; one that was is the same execution.
    for (const name of names) await startOnce(name);
  }
  for (const name of names) await untilEnded(name);
  for (const name of names) {
    const { events } = await call<{ events: { type: string }[] }>('GetExecutionHistory', {
      executionArn: executionArn(name),
      maxResults: 1_000,
    });
    assert.equal(events.filter(({ type }) => type === 'TaskSucceeded').length, STEPS, name);
    for (let step = 1; step <= STEPS; step += 1)
      assert.ok(calls.includes(`/${name}/${step}`), `${name} ${step}`);
  }
  // At most one call of each execution was under way, unrecorded, at each kill.
  assert.ok(calls.length - EXECUTIONS * STEPS <= lost, `${calls.length} calls`);
  // In order: no step after a later one of the same execution.
  for (const name of names) {
    const steps = calls.filter((url) => url.startsWith(`/${name}/`)).map((url) => Number(url.split('/')[2]));
    assert.deepEqual(
      steps,
      steps.toSorted((left, right) => left - right),
      name,
    );
  }
});

async function startOnce(name: string): Promise<void> {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'x-amz-target': 'AWSStepFunctions.StartExecution', authorization: `Bearer ${token}` },
    body: JSON.stringify({ stateMachineArn: MACHINE, name, input: '{}' }),
  });
  const { __type: type } = (await response.json()) as { __type?: string };
  // One that has ended meanwhile cannot be started again under its name.
  assert.ok(response.status === 200 || type === 'ExecutionAlreadyExists', String(type));
}

async function untilEnded(name: string): Promise<void> {
  for (let tries = 0; tries < 2_000; tries += 1) {
    const { status } = await call<{ status: string }>('DescribeExecution', {
      executionArn: executionArn(name),
    });
    if (status === 'SUCCEEDED') return;
    assert.equal(status, 'RUNNING', name);
    await delay(systemClock, 20);
  }
  assert.fail(`${name} does not end`);
}
