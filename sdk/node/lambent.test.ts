import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Hono } from 'hono';
import type { ManifestInput } from '../../src/model/manifest-schema.ts';
import {
  type AppDefinition,
  defineApp,
  type FetchHandler,
  type FetchModule,
  type Handler,
  type HttpHandlerV2,
  writeMark,
} from './lambent.ts';

/** As deep as a manifest goes, without `readonly` and with plain optional properties. */
type Plain<Value> = Value extends readonly (infer Item)[]
  ? Plain<Item>[]
  : Value extends object
    ? { -readonly [Key in keyof Value]: Plain<Value[Key]> }
    : Value;
type Same<Left, Right> = [Left] extends [Right] ? ([Right] extends [Left] ? true : false) : false;
type AllKeys<Value> = keyof NonNullable<Value>;
type FunctionOf<App> = App extends { functions?: infer Functions }
  ? NonNullable<NonNullable<Functions>[keyof Functions]>
  : never;

describe('sdk', () => {
  it('types an app as the manifest reads it', () => {
    // Checked by the compiler: each line fails to compile when the two go apart.
    const sameTop: Same<AllKeys<Plain<AppDefinition>>, AllKeys<ManifestInput>> = true;
    const sameFunction: Same<keyof FunctionOf<Plain<AppDefinition>>, keyof FunctionOf<ManifestInput>> = true;
    const assignable: Plain<AppDefinition> extends ManifestInput ? true : false = true;
    assert.deepEqual([sameTop, sameFunction, assignable], [true, true, true]);
  });

  it('types the handlers that people write', async () => {
    const app = new Hono();
    app.get('/', (c) => c.text('hono'));
    app satisfies FetchModule;
    const lambda: Handler<{ readonly name: string }, string> = async ({ name }, context) =>
      `${name} ${context.getRemainingTimeInMillis()}`;
    const http: HttpHandlerV2 = async ({ rawPath }) => ({ statusCode: 200, body: rawPath });
    const old: Handler = (_event, _context, callback) => {
      callback(null, 'done');
    };
    const fetch: FetchHandler = (request, env, ctx) =>
      new Response(`${request.url} ${env.A} ${ctx.params.id}`);
    assert.equal(await (await app.request('/')).text(), 'hono');
    assert.equal(
      [lambda, http, old, fetch].every((each) => typeof each === 'function'),
      true,
    );
  });

  it('marks what a function writes with the event that led to it', () => {
    assert.deepEqual(writeMark({ type: 'lambent.postgres.insert', lambentdepth: 3 } as { type: string }), {
      postgres: `SELECT pg_logical_emit_message(true, 'lambent', '3')`,
      comment: '/* lambent:3 */',
    });
    assert.equal(writeMark({ type: 'x', lambentdepth: "1'" } as { type: string }).comment, '/* lambent:0 */');
  });

  it('hands the definition on as it is', () => {
    const app = { app: 'shop', functions: { hello: { timeout: '3s', routes: ['GET /hello'] } } } as const;
    assert.equal(defineApp(app), app);
  });
});
