import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Deployment } from '../model/deployment.ts';
import {
  type AppName,
  FUNCTION_DEFAULTS,
  type FunctionName,
  type FunctionVersion,
} from '../model/function.ts';
import { SharedValues } from './shared-values.ts';

function deployment(app: string, memoryMb: number): Deployment {
  const functions = ['f', 'g'].map(
    (name) =>
      ({
        id: name,
        app,
        name,
        runtime: 'node',
        runtimePin: 'node 26.0.0',
        code: name,
        entry: 'index.mjs',
        handler: undefined,
        config: { ...FUNCTION_DEFAULTS, memoryMb },
      }) as unknown as FunctionVersion,
  );
  const cors = {
    origins: ['*'],
    methods: [],
    headers: [],
    exposeHeaders: [],
    credentials: false,
    maxAgeS: 5,
  };
  const routes = functions.map(({ name }) => ({
    method: 'GET' as const,
    path: `/${name}`,
    host: undefined,
    function: name as FunctionName,
    cors: { ...cors },
  }));
  return {
    app: app as AppName,
    number: 1,
    createdMs: 0,
    createdBy: 'x',
    note: '',
    functions,
    routes,
    triggers: [],
    connections: [],
    shares: [],
  };
}

it('equal parts of deployments are kept once, different ones apart, and nothing is changed', () => {
  const shared = new SharedValues();
  const plain = deployment('a', 128);
  const first = shared.share(plain);
  const second = shared.share(deployment('b', 128));
  const third = shared.share(deployment('c', 256));
  assert.deepEqual(first, plain);
  assert.equal(first.functions[0]!.config, first.functions[1]!.config);
  assert.equal(first.functions[0]!.config, second.functions[1]!.config);
  assert.equal(first.routes[0]!.cors, second.routes[1]!.cors);
  assert.notEqual(first.functions[0]!.config, third.functions[0]!.config);
  assert.equal(third.functions[0]!.config.memoryMb, 256);
});
