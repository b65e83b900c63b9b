import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { awsRouteKey, clfTime, isTextBody, parsePairs } from './lambda-event.ts';

describe('the parts of an event of payload format 2.0', () => {
  it('writes routes as AWS does', () => {
    assert.equal(awsRouteKey('GET /users/:id/posts/:postId'), 'GET /users/{id}/posts/{postId}');
    assert.equal(awsRouteKey('ANY /files/*'), 'ANY /files/{proxy+}');
    assert.equal(awsRouteKey('ANY /files/*rest'), 'ANY /files/{rest+}');
  });

  it('decodes pairs and survives malformed ones', () => {
    assert.equal(parsePairs('', true), undefined);
    assert.deepEqual(parsePairs('a=1&b&=x&a=2&c=%zz&d=a+b%2B', true), {
      a: '1,2',
      b: '',
      '': 'x',
      c: '%zz',
      d: 'a b+',
    });
    assert.deepEqual(parsePairs('x=a+b', false), { x: 'a+b' });
    const hostile = parsePairs('__proto__=1', true)!;
    assert.equal(Object.getPrototypeOf(hostile), Object.prototype);
    assert.deepEqual(Object.keys(hostile), ['__proto__']);
  });

  it('knows text from bytes', () => {
    for (const type of [
      'text/html',
      'application/json; charset=utf-8',
      'Application/JSON',
      'application/ld+json',
    ])
      assert.equal(isTextBody(type, undefined), true, type);
    for (const type of [
      'image/png',
      'image/svg+xml',
      'application/x-www-form-urlencoded',
      'application/jsonx',
    ])
      assert.equal(isTextBody(type, undefined), false, type);
    assert.equal(isTextBody(undefined, undefined), false);
    assert.equal(isTextBody('text/plain', 'gzip'), false);
  });

  it('writes the time of the common log format', () => {
    assert.equal(clfTime(Date.UTC(2020, 2, 12, 19, 3, 58)), '12/Mar/2020:19:03:58 +0000');
  });
});
