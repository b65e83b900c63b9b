/**
 * One function of each shape that the platform recognises, in TypeScript and JavaScript, ES modules and CommonJS. Each
 * answers a GET with its own name and a POST with `{ name, body }`, the body parsed; and so does its event call.
 */
export const SHAPES: Readonly<Record<string, string>> = {
  'fetch-typed.ts': `
interface Answer { name: string; body: unknown }
export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method === 'GET') return new Response('fetch-typed');
    const answer: Answer = { name: 'fetch-typed', body: await request.json() };
    return Response.json(answer);
  },
};`,
  'fetch-common.cjs': `
module.exports = {
  async fetch(request) {
    if (request.method === 'GET') return new Response('fetch-common');
    return Response.json({ name: 'fetch-common', body: await request.json() });
  },
};`,
  'fetch-named.mjs': `
export async function fetch(request) {
  return request.method === 'GET' ? new Response('fetch-named') : Response.json({ name: 'fetch-named', body: await request.json() });
}`,
  'hono-default.ts': `
import { Hono, type Context } from 'hono';
const app = new Hono();
app.get('*', (c: Context) => c.text('hono-default'));
app.post('*', async (c) => c.json({ name: 'hono-default', body: await c.req.json() }));
export default app;`,
  'hono-created.cjs': `
const { Hono } = require('hono');
const app = new Hono();
app.get('*', (c) => c.text('hono-created'));
app.post('*', async (c) => c.json({ name: 'hono-created', body: await c.req.json() }));`,
  'lambda-async.ts': `
type Event = { requestContext?: { http: { method: string } }; body?: string };
export const handler = async (event: Event) => {
  if (event.requestContext === undefined) return { name: 'lambda-async', body: event };
  if (event.requestContext.http.method === 'GET') return 'lambda-async';
  return { name: 'lambda-async', body: JSON.parse(event.body!) };
};`,
  'lambda-callback.cjs': `
exports.handler = (event, context, callback) => {
  const isHttp = event.requestContext !== undefined;
  const isGet = isHttp && event.requestContext.http.method === 'GET';
  setImmediate(() => callback(null, isGet ? 'lambda-callback' : { name: 'lambda-callback', body: isHttp ? JSON.parse(event.body) : event }));
};`,
  'plain-module.mjs': `
export default async (event) => {
  if (event.requestContext === undefined) return { name: 'plain-module', body: event };
  return event.body === undefined ? 'plain-module' : { name: 'plain-module', body: JSON.parse(event.body) };
};`,
  'plain-common.cts': `
module.exports = async (event: { requestContext?: object; body?: string }) => {
  if (event.requestContext === undefined) return { name: 'plain-common', body: event };
  return event.body === undefined ? 'plain-common' : { name: 'plain-common', body: JSON.parse(event.body) };
};`,
  'express-exported.mjs': `
import express from 'express';
const app = express();
app.use(express.json());
app.use((request, response) => {
  if (request.method === 'GET') response.send('express-exported');
  else response.json({ name: 'express-exported', body: request.body });
});
export default app;`,
  'express-created.cjs': `
const express = require('express');
const app = express();
app.get('/{*any}', (request, response) => response.send('express-created'));
app.post('/{*any}', express.json(), (request, response) => response.json({ name: 'express-created', body: request.body }));`,
  'express-listens.ts': `
import express, { type Request, type Response } from 'express';
const app = express().use(express.json());
app.use((request: Request, response: Response) => {
  if (request.method === 'GET') response.send('express-listens');
  else response.json({ name: 'express-listens', body: request.body });
});
app.listen(process.env.PORT ?? 3000, () => console.log('it listens'));`,
  'koa-exported.cjs': `
const Koa = require('koa');
const app = new Koa();
app.use(async (ctx) => {
  if (ctx.method === 'GET') ctx.body = 'koa-exported';
  else ctx.body = { name: 'koa-exported', body: JSON.parse(Buffer.concat(await Array.fromAsync(ctx.req)).toString()) };
});
module.exports = app;`,
  'koa-created.mjs': `
import Koa from 'koa';
new Koa().use(async (ctx) => {
  if (ctx.method === 'GET') ctx.body = 'koa-created';
  else ctx.body = { name: 'koa-created', body: JSON.parse(Buffer.concat(await Array.fromAsync(ctx.req)).toString()) };
});`,
  'koa-listens.ts': `
import Koa from 'koa';
const app = new Koa();
app.use(async (ctx) => {
  if (ctx.method === 'GET') ctx.body = 'koa-listens';
  else ctx.body = { name: 'koa-listens', body: JSON.parse(Buffer.concat(await Array.fromAsync(ctx.req)).toString()) };
});
app.listen(3000);`,
  'fastify-exported.ts': `
import fastify from 'fastify';
const app = fastify();
app.get('*', async () => 'fastify-exported');
app.post('*', async (request) => ({ name: 'fastify-exported', body: request.body }));
export default app;`,
  'fastify-created.cjs': `
const app = require('fastify')();
app.get('*', async () => 'fastify-created');
app.post('*', async (request) => ({ name: 'fastify-created', body: request.body }));`,
  'fastify-listens.mjs': `
import Fastify from 'fastify';
const app = Fastify();
app.get('*', (request, reply) => reply.send('fastify-listens'));
app.post('*', (request, reply) => reply.send({ name: 'fastify-listens', body: request.body }));
await app.listen({ port: 3000, host: '0.0.0.0' });`,
  'http-exported.ts': `
import { createServer } from 'node:http';
export default createServer(async (request, response) => {
  if (request.method === 'GET') return void response.end('http-exported');
  const body = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString());
  response.end(JSON.stringify({ name: 'http-exported', body }));
});`,
  'http-created.mjs': `
import http from 'node:http';
const server = http.createServer();
server.on('request', async (request, response) => {
  if (request.method === 'GET') return response.end('http-created');
  const body = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString());
  response.end(JSON.stringify({ name: 'http-created', body }));
});`,
  'http-listens.cjs': `
const { createServer } = require('http');
createServer((request, response) => {
  if (request.method === 'GET') return response.end('http-listens');
  let text = '';
  request.setEncoding('utf8').on('data', (part) => { text += part; });
  request.on('end', () => response.end(JSON.stringify({ name: 'http-listens', body: JSON.parse(text) })));
}).listen(0);`,
};

/** The packages that they import. */
export const SHAPE_PACKAGES: readonly string[] = ['express', 'fastify', 'hono', 'koa'];
