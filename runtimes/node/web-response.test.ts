import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WebRequest } from './web-request.ts';
import { WebResponse } from './web-response.ts';

const RealResponse = globalThis.Response;
const RealRequest = globalThis.Request;

describe('WebResponse', () => {
  it('agrees with Node’s own Response about bodies and their types', async () => {
    const bodies: (() => BodyInit | null)[] = [
      () => null,
      () => '',
      () => 'text ü',
      () => 'half \ud800 pair',
      () => new Uint8Array([0xef, 0xbb, 0xbf, 0x61]),
      () => new Uint8Array([1, 2]).buffer,
      () => new DataView(new ArrayBuffer(3)),
      () => new URLSearchParams({ a: 'b c' }),
      () => new Blob(['blob'], { type: 'text/x' }),
      () => new Blob(['blob']).stream(),
    ];
    for (const body of bodies) {
      const light = new WebResponse(body());
      const real = new RealResponse(body());
      assert.equal(light.headers.get('content-type'), real.headers.get('content-type'));
      assert.equal(light.body === null, real.body === null);
      assert.equal(light.bodyUsed, false);
      assert.equal(await light.clone().text(), await real.clone().text());
      assert.deepEqual(await light.bytes(), await real.bytes());
      assert.equal(light.bodyUsed, real.bodyUsed);
    }
  });

  it('agrees about what is not allowed', () => {
    for (const [body, init] of [
      ['x', { status: 204 }],
      [null, { status: 199 }],
      [null, { status: 600 }],
      [null, { status: 101 }],
    ] as [string | null, ResponseInit][]) {
      assert.throws(() => new RealResponse(body, init));
      assert.throws(() => new WebResponse(body, init as never), {
        name: init.status === 204 ? 'TypeError' : 'RangeError',
      });
    }
    assert.throws(() => WebResponse.json(undefined), TypeError);
    assert.throws(() => WebResponse.redirect('/relative'), TypeError);
    assert.throws(() => WebResponse.redirect('http://a', 200), RangeError);
  });

  it('gives its body once', async () => {
    const response = new WebResponse('once');
    assert.equal(await response.text(), 'once');
    await assert.rejects(response.text(), TypeError);
    assert.throws(() => response.clone(), TypeError);
    const streamed = new WebResponse('streamed');
    assert.equal(streamed.body, streamed.body);
    await streamed.body!.getReader().read();
    assert.equal(streamed.bodyUsed, true);
    await assert.rejects(streamed.json(), TypeError);
  });

  it('writes a form that Node’s own Response can read', async () => {
    const form = new FormData();
    form.append('na"me', 'line\nbreak');
    form.append('file', new File(['content'], 'f.txt', { type: 'text/plain' }));
    const light = new WebResponse(form);
    const parsed = await new RealResponse((await light.bytes()) as Uint8Array<ArrayBuffer>, {
      headers: { 'content-type': light.headers.get('content-type')! },
    }).formData();
    assert.equal(parsed.get('na"me'), 'line\r\nbreak');
    assert.equal(await (parsed.get('file') as File).text(), 'content');
  });

  it('makes JSON with its type, unless another is given', async () => {
    const response = WebResponse.json({ a: 1 }, { status: 201, headers: { 'x-y': 'z' } });
    assert.deepEqual(
      [response.status, response.headers.get('content-type'), response.headers.get('x-y')],
      [201, 'application/json', 'z'],
    );
    assert.deepEqual(await response.json(), { a: 1 });
    assert.equal(
      WebResponse.json(1, { headers: { 'Content-Type': 'text/x' } }).headers.get('content-type'),
      'text/x',
    );
  });

  it('can be subclassed and knows its own', () => {
    class Special extends WebResponse {}
    assert.ok(new Special() instanceof WebResponse);
    assert.ok(!(new WebResponse() instanceof Special));
    assert.ok(!({} instanceof WebResponse));
  });
});

describe('WebRequest, made by the author', () => {
  it('agrees with Node’s own Request', async () => {
    for (const [url, init] of [
      ['http://a.test/x y?q=ü#h', {}],
      ['http://a.test', { method: 'post', body: 'text', headers: { 'X-A': '1' } }],
      ['http://a.test/', { method: 'PATCH', body: new URLSearchParams('a=1') }],
      ['http://a.test/', { method: 'DELETE', redirect: 'manual', cache: 'no-store' }],
    ] as [string, RequestInit][]) {
      const light = new WebRequest(url, init as never);
      const real = new RealRequest(url, init);
      for (const name of [
        'url',
        'method',
        'redirect',
        'cache',
        'mode',
        'credentials',
        'referrer',
        'keepalive',
      ] as const)
        assert.equal(light[name], real[name], `${name} of ${url}`);
      assert.deepEqual([...light.headers], [...real.headers]);
      assert.equal(await light.text(), await real.text());
    }
  });

  it('agrees about what is not allowed', () => {
    for (const [url, init] of [
      ['/relative', {}],
      ['http://user:pass@a.test', {}],
      ['http://a.test', { body: 'x' }],
      ['http://a.test', { method: 'CONNECT' }],
      ['http://a.test', { method: 'a b' }],
      ['http://a.test', { method: 'POST', body: new ReadableStream() }],
    ] as [string, RequestInit][]) {
      assert.throws(() => new RealRequest(url, init), TypeError);
      assert.throws(() => new WebRequest(url, init as never), TypeError, `${url} ${JSON.stringify(init)}`);
    }
  });

  it('takes over from another request, and takes its body', async () => {
    const first = new WebRequest('http://a.test/', { method: 'PUT', body: 'moved', headers: { 'x-a': '1' } });
    const second = new WebRequest(first, { headers: { 'x-b': '2' } });
    assert.deepEqual([second.method, [...second.headers]], ['PUT', [['x-b', '2']]]);
    assert.equal(first.bodyUsed, true);
    assert.equal(await second.text(), 'moved');
    const third = new WebRequest(
      'http://b.test/',
      new WebRequest('http://a.test/', { method: 'POST', body: 'x' }) as never,
    );
    assert.deepEqual([third.url, third.method, await third.text()], ['http://b.test/', 'POST', 'x']);
  });
});
