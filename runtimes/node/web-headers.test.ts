import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WebHeaders } from './web-headers.ts';

/** Node's own class is the standard to compare with. */
const RealHeaders = globalThis.Headers;

describe('WebHeaders', () => {
  it('agrees with Node’s own Headers', () => {
    const sources: ConstructorParameters<typeof WebHeaders>[0][] = [
      undefined,
      {},
      { A: '1', b: ' padded\t' },
      [
        ['x', '1'],
        ['X', '2'],
        ['cookie', 'a=1'],
        ['Cookie', 'b=2'],
        ['set-cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['accept', 'y'],
      ],
      new Map([['k', 'v']]),
    ];
    for (const source of sources) {
      const light = new WebHeaders(source);
      const real = new RealHeaders(source as HeadersInit | undefined);
      assert.deepEqual([...light], [...real]);
      assert.deepEqual(light.getSetCookie(), real.getSetCookie());
      assert.deepEqual([...light.keys()], [...real.keys()]);
      for (const name of ['x', 'cookie', 'Set-Cookie', 'none']) {
        assert.equal(light.get(name), real.get(name), name);
        assert.equal(light.has(name), real.has(name), name);
      }
    }
  });

  it('sets, appends and deletes without regard to case', () => {
    const headers = new WebHeaders({ One: '1' });
    headers.append('one', '2');
    headers.set('Two', '3');
    headers.append('set-cookie', 'a=1');
    headers.delete('TWO');
    assert.deepEqual(
      [...headers],
      [
        ['one', '1, 2'],
        ['set-cookie', 'a=1'],
      ],
    );
    headers.set('set-cookie', 'b=2');
    assert.deepEqual(headers.getSetCookie(), ['b=2']);
    headers.delete('Set-Cookie');
    assert.equal(headers.has('set-cookie'), false);
  });

  it('refuses names and values that HTTP does not allow', () => {
    const headers = new WebHeaders();
    for (const name of ['', 'a b', 'a:b', 'ü', 'a\n'])
      assert.throws(() => headers.append(name, 'x'), TypeError, name);
    for (const value of ['a\r\nb: c', 'a\0b', '\u20ac'])
      assert.throws(() => headers.append('x', value), TypeError, value);
    assert.throws(() => new WebHeaders([['only']] as never), TypeError);
  });

  it('reads the lines of a request when somebody asks', () => {
    const headers = WebHeaders.fromLines([
      'host: a',
      'x-one: 1',
      'x-one: 2',
      'cookie: a=1',
      'cookie: b=2',
      'empty: ',
    ]);
    assert.deepEqual(
      [headers.get('X-One'), headers.get('cookie'), headers.get('empty')],
      ['1, 2', 'a=1; b=2', ''],
    );
  });

  it('can be given to Node’s own Headers', () => {
    assert.equal(new RealHeaders(new WebHeaders({ a: '1' }) as unknown as HeadersInit).get('a'), '1');
  });
});
