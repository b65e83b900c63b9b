import assert from 'node:assert/strict';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  GetExecutionHistoryCommand,
  SFNClient,
  type SFNServiceException,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { delay, systemClock } from '../src/base/clock.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

/* What the tests of the Step Functions API have in common: a platform with functions, and AWS' own client. */

export const ROLE = 'arn:aws:iam::000000000000:role/any';
export const LAMBDA = 'arn:aws:lambda:us-east-1:000000000000:function:';

export interface StepFunctionsBench {
  readonly platform: TestPlatform;
  readonly sfn: SFNClient;
  machine(definition: object, more?: { type?: 'EXPRESS' }): Promise<string>;
  /** Makes a state machine and starts it. Returns the execution's ARN. */
  start(definition: object, input?: unknown): Promise<string>;
  /** Looks until the execution is as wanted; bounded. */
  until(
    executionArn: string,
    fits: (found: DescribeExecutionCommandOutput) => boolean | Promise<boolean>,
  ): Promise<DescribeExecutionCommandOutput>;
  ended(executionArn: string): Promise<DescribeExecutionCommandOutput>;
  typesOf(executionArn: string): Promise<string[]>;
  close(): Promise<void>;
}

export const pass = { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } };
export const one = (state: object): object => ({ StartAt: 'A', States: { A: state } });

/** The name of the error that a call is refused with. */
export async function errorOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (thrown) {
    return (thrown as SFNServiceException).name;
  }
  return 'none';
}

export function clientOf(endpoint: string): SFNClient {
  return new SFNClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    disableHostPrefix: true,
    maxAttempts: 1,
  });
}

export async function openStepFunctionsBench(): Promise<StepFunctionsBench> {
  const platform = await startTestPlatform(
    {
      shop: {
        'package.json': '{"name":"shop","type":"module"}',
        'functions/double.js': 'export const handler = async ({ n }) => ({ n: n * 2 });',
        'functions/broken.js':
          'class Broken extends Error { name = "Broken" }\nexport const handler = async () => { throw new Broken("no luck"); };',
        // Fails until it is told that it may succeed.
        'functions/moody.js':
          'let calls = 0;\nexport const handler = async ({ until }) => { calls += 1; if (calls < until) throw new Error("call " + calls); return calls; };',
      },
    },
    { allowNetwork: ['127.0.0.1'] },
  );
  const sfn = clientOf(platform.url);
  let machines = 0;
  const machine: StepFunctionsBench['machine'] = async (definition, more = {}) => {
    machines += 1;
    const { stateMachineArn } = await sfn.send(
      new CreateStateMachineCommand({
        name: `machine-${machines}`,
        definition: JSON.stringify(definition),
        roleArn: ROLE,
        ...more,
      }),
    );
    return stateMachineArn!;
  };
  const until: StepFunctionsBench['until'] = async (executionArn, fits) => {
    for (let tries = 0; tries < 1_000; tries += 1) {
      const found = await sfn.send(new DescribeExecutionCommand({ executionArn }));
      if (await fits(found)) return found;
      await delay(systemClock, 10);
    }
    return assert.fail(`${executionArn} does not get there`);
  };
  return {
    ...{ platform, sfn, machine, until },
    async start(definition, input = {}) {
      const stateMachineArn = await machine(definition);
      const { executionArn } = await sfn.send(
        new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }),
      );
      return executionArn!;
    },
    ended: (executionArn) => until(executionArn, ({ status }) => status !== 'RUNNING'),
    async typesOf(executionArn) {
      const { events } = await sfn.send(new GetExecutionHistoryCommand({ executionArn, maxResults: 1_000 }));
      return events!.map(({ type }) => String(type));
    },
    async close() {
      sfn.destroy();
      await platform.close();
    },
  };
}
