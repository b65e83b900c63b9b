import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Deployment, Route, RouteMethod } from '../model/deployment.ts';
import {
  type AppName,
  FUNCTION_DEFAULTS,
  type FunctionName,
  type FunctionVersion,
} from '../model/function.ts';
import { RouteTable } from './route-table.ts';

function route(method: RouteMethod, path: string, name: string, host?: string): Route {
  return { method, path, host, function: name as FunctionName, cors: undefined };
}

function deployment(app: string, number: number, routes: Route[]): Deployment {
  const names = [...new Set(routes.map((one) => one.function))];
  const functions = names.map(
    (name) =>
      ({
        id: `fv_${app}_${number}_${name}`,
        app,
        name,
        runtime: 'node',
        code: '',
        entry: 'index.mjs',
        handler: undefined,
        config: FUNCTION_DEFAULTS,
      }) as unknown as FunctionVersion,
  );
  return {
    app: app as AppName,
    number,
    createdMs: 0,
    createdBy: 'test',
    note: '',
    functions,
    routes,
    triggers: [],
    connections: [],
    shares: [],
  };
}

function tableOf(...deployments: Deployment[]): RouteTable {
  const table = new RouteTable();
  for (const one of deployments)
    table.add({
      live: { app: one.app, generation: 1, traffic: [{ number: one.number, weight: 100 }] },
      deployments: [one],
    });
  return table;
}

const never = (): number => assert.fail('no app is split');

function found(
  table: RouteTable,
  method: string,
  path: string,
  host = 'localhost',
  pick = never as (app: AppName) => number,
): string {
  const match = table.match(method, host, path, pick);
  return match.status === 'found'
    ? `${match.bound.version.name}@${match.bound.deployment} ${match.params}`.trim()
    : match.status;
}

describe('route table', () => {
  it('prefers static segments over parameters and parameters over the rest', () => {
    const table = tableOf(
      deployment('a', 1, [
        route('GET', '/users/me', 'me'),
        route('GET', '/users/:id', 'one'),
        route('GET', '/users/:id/posts/:post', 'post'),
        route('GET', '/users/*', 'rest'),
        route('ANY', '/*', 'all'),
      ]),
    );
    assert.equal(found(table, 'GET', '/users/me'), 'me@1');
    assert.equal(found(table, 'GET', '/users/42'), 'one@1 id=42');
    assert.equal(found(table, 'GET', '/users/42/posts/7'), 'post@1 id=42&post=7');
    assert.equal(found(table, 'GET', '/users/42/posts'), 'rest@1 *=42/posts');
    assert.equal(found(table, 'GET', '/users/'), 'rest@1 *=');
    assert.equal(found(table, 'DELETE', '/users/42'), 'all@1 *=users/42');
    assert.equal(found(table, 'GET', '/'), 'all@1 *=');
  });

  it('goes back when a branch has no route for the method', () => {
    const table = tableOf(
      deployment('a', 1, [route('POST', '/users/me', 'me'), route('GET', '/users/:id', 'one')]),
    );
    assert.equal(found(table, 'GET', '/users/me'), 'one@1 id=me');
  });

  it('encodes what would end a parameter', () => {
    const table = tableOf(deployment('a', 1, [route('GET', '/x/:v', 'f')]));
    assert.equal(found(table, 'GET', '/x/a&b=c+d%20e'), 'f@1 v=a%26b%3Dc%2Bd%20e');
  });

  it('says which methods a path has', () => {
    const table = tableOf(deployment('a', 1, [route('GET', '/x', 'f'), route('POST', '/x', 'g')]));
    const match = table.match('PUT', 'localhost', '/x', never);
    assert.deepEqual(match.status === 'method' && match.allow, ['GET', 'HEAD', 'POST']);
    assert.equal(found(table, 'HEAD', '/x'), 'f@1');
    assert.equal(found(table, 'GET', '/y'), 'none');
    assert.equal(found(table, 'GET', '/x/'), 'none');
  });

  it('looks at the host first, then at wildcards, then at any host', () => {
    const table = tableOf(
      deployment('a', 1, [
        route('GET', '/', 'exact', 'api.example.com'),
        route('GET', '/', 'wild', '*.example.com'),
        route('GET', '/', 'deep', '*.eu.example.com'),
        route('GET', '/', 'any'),
      ]),
    );
    assert.equal(found(table, 'GET', '/', 'api.example.com'), 'exact@1');
    assert.equal(found(table, 'GET', '/', 'www.example.com'), 'wild@1');
    assert.equal(found(table, 'GET', '/', 'www.eu.example.com'), 'deep@1');
    assert.equal(found(table, 'GET', '/', 'example.com'), 'any@1');
  });

  it('keeps a route with the app that had it first, and gives it on when that app goes', () => {
    const first = deployment('a', 1, [route('GET', '/', 'f'), route('GET', '/:x', 'p')]);
    const second = deployment('b', 1, [route('GET', '/', 'g'), route('GET', '/:x', 'q')]);
    const table = tableOf(first, second);
    assert.equal(found(table, 'GET', '/'), 'f@1');
    table.remove([first]);
    assert.equal(found(table, 'GET', '/'), 'g@1');
    assert.equal(found(table, 'GET', '/1'), 'q@1 x=1');
    const again = deployment('a', 2, [route('GET', '/', 'f'), route('GET', '/:x', 'p')]);
    table.addDeployment(again);
    assert.equal(found(table, 'GET', '/'), 'f@2');
    assert.equal(found(table, 'GET', '/1'), 'p@2 x=1');
    table.remove([again, second]);
    assert.equal(found(table, 'GET', '/'), 'none');
  });

  it('serves a split app from the deployment that was picked', () => {
    const table = new RouteTable();
    const [old, fresh] = [
      deployment('a', 1, [route('GET', '/', 'f')]),
      deployment('a', 2, [route('GET', '/', 'f'), route('GET', '/new', 'n')]),
    ];
    const traffic = [
      { number: 1, weight: 90 },
      { number: 2, weight: 10 },
    ];
    table.add({ live: { app: 'a' as AppName, generation: 2, traffic }, deployments: [old, fresh] });
    assert.equal(
      found(table, 'GET', '/', 'localhost', () => 1),
      'f@1',
    );
    assert.equal(
      found(table, 'GET', '/', 'localhost', () => 2),
      'f@2',
    );
    assert.equal(
      found(table, 'GET', '/new', 'localhost', () => 2),
      'n@2',
    );
    assert.equal(
      found(table, 'GET', '/new', 'localhost', () => 1),
      'none',
    );
  });
});
