import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { afterEach, describe, it } from 'node:test';
import { RuntimeFailure } from './failure.ts';
import { ListenCapture } from './listen-capture.ts';
import { CREATED, type Found, recognise, recogniseCreated } from './recognise.ts';

const fetchObject = { fetch: () => new Response() };
const expressLike = Object.assign(() => {}, { handle() {}, use() {}, listen() {} });
const koaLike = { callback() {}, use() {}, listen() {} };
const fastifyLike = { ready() {}, inject() {}, listen() {} };

function kindOf(found: Found | undefined): string | undefined {
  return found?.kind === 'server' ? `server ${found.target.kind}` : found?.kind;
}

function kind(
  module: Record<string, unknown>,
  handler?: string,
  capture = new ListenCapture(),
): string | undefined {
  return kindOf(recognise(module, handler, capture));
}

describe('recognising how a module wants to be called', () => {
  afterEach(() => {
    (globalThis as Record<symbol, unknown>)[CREATED] = undefined;
  });

  it('knows each shape', () => {
    assert.equal(kind({ default: fetchObject }), 'fetch');
    assert.equal(kind({ fetch: () => {} }), 'fetch');
    assert.equal(kind({ handler: async () => {} }), 'lambda');
    assert.equal(kind({ default: async () => {} }), 'plain');
    assert.equal(kind({ default: expressLike }), 'server express');
    assert.equal(kind({ default: koaLike }), 'server koa');
    assert.equal(kind({ default: fastifyLike }), 'server fastify');
    assert.equal(kind({ default: createServer() }), 'server server');
    assert.equal(kind({ app: expressLike }), 'server express');
    assert.equal(kind({ server: createServer() }), 'server server');
    assert.equal(kind({ app: fetchObject }), 'fetch');
    assert.equal(kind({ something: 1, default: { a: 1 } }), undefined);
  });

  it('reads CommonJS: module.exports, its properties, and a compiled default', () => {
    assert.equal(kind({ default: { handler() {} } }), 'lambda');
    assert.equal(kind({ default: { default: expressLike, __esModule: true } }), 'server express');
    assert.equal(kind({ default: { app: koaLike } }), 'server koa');
    assert.equal(kind({ default: Object.assign(async () => {}, { handler() {} }) }), 'lambda');
  });

  it('has an order', () => {
    const all = { default: fetchObject, handler() {}, app: expressLike };
    assert.equal(kind(all), 'fetch');
    assert.equal(kind({ ...all, default: expressLike }), 'lambda');
    const capture = new ListenCapture();
    capture.listening = createServer();
    assert.equal(kind({ default: expressLike }, undefined, capture), 'server server');
    assert.equal(kind({ default: fetchObject }, undefined, capture), 'fetch');
    assert.equal(kind({ handler() {} }, undefined, capture), 'lambda');
  });

  it('takes the export that the manifest names, by its shape', () => {
    const module = { default: fetchObject, handler() {}, other() {}, app: koaLike, number: 1 };
    assert.equal(kind(module, 'other'), 'lambda');
    assert.equal(kind(module, 'app'), 'server koa');
    assert.equal(kind(module, 'default'), 'fetch');
    for (const name of ['number', 'missing'])
      assert.throws(
        () => kind(module, name),
        (error) => error instanceof RuntimeFailure && error.code === 'E_HANDLER_MISSING',
      );
  });

  it('finds what was merely created, the last one of a kind', () => {
    const first = { ...koaLike };
    (globalThis as Record<symbol, unknown>)[CREATED] = [
      { kind: 'koa', app: first },
      { kind: 'koa', app: koaLike },
    ];
    const found = recogniseCreated(new ListenCapture());
    assert.ok(
      found?.kind === 'server' && found.target.kind === 'koa' && found.target.app === (koaLike as never),
    );
    (globalThis as Record<symbol, unknown>)[CREATED] = 'spoiled';
    assert.equal(recogniseCreated(new ListenCapture()), undefined);
  });
});
