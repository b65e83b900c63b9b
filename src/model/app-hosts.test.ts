import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppHosts, parseAppDomain } from './app-hosts.ts';

const NAMED = new AppHosts(parseAppDomain('apps.example.com'));
const BEHIND = new AppHosts(parseAppDomain('https://apps.example.com:8443'));
const NONE = new AppHosts(undefined);

describe('the hosts of apps', () => {
  it('are below localhost, and below the domain', () => {
    for (const parent of ['localhost', 'apps.example.com']) {
      assert.deepEqual(NAMED.previewOf(`d12--shop.${parent}`), { app: 'shop', number: 12 });
      assert.equal(NAMED.appOf(`shop.${parent}`), 'shop');
      assert.equal(NAMED.previewOf(`shop.${parent}`), undefined);
      for (const other of [`d0--shop.${parent}`, `a.b.${parent}`, parent, `x${parent}`])
        assert.equal(
          NAMED.previewOf(other) ?? NAMED.appOf(other.replace('d0--shop.', 'a.b.')),
          undefined,
          other,
        );
    }
    assert.equal(NONE.appOf('shop.apps.example.com'), undefined);
    assert.deepEqual([NONE.owns('shop.localhost'), NONE.owns('shop.apps.example.com')], [true, false]);
    assert.deepEqual(NAMED.hostsOf('shop' as never), ['shop.localhost', 'shop.apps.example.com']);
  });

  it('have an address only where they lead to this server', () => {
    const at = (hosts: AppHosts, authority: string) => hosts.previewAddress('shop', 12, authority);
    const host = 'd12--shop.localhost';
    for (const authority of ['localhost:5262', '127.0.0.1:5262', '[::1]:5262', 'shop.localhost:5262'])
      assert.deepEqual(at(NONE, authority), { host, url: `http://${host}:5262/` });
    for (const authority of ['box:5262', '192.168.1.5:5262', 'apps.example.com'])
      assert.deepEqual(at(NONE, authority), { host }, authority);
    const named = 'd12--shop.apps.example.com';
    assert.deepEqual(at(NAMED, 'box:5262'), { host: named, url: `http://${named}:5262/` });
    assert.deepEqual(at(BEHIND, 'apps.example.com:8443'), { host: named, url: `https://${named}:8443/` });
    assert.deepEqual(at(NAMED, 'localhost:5262'), { host, url: `http://${host}:5262/` });
  });

  it('are below a domain that is one', () => {
    for (const text of [
      '',
      'localhost',
      'a b.com',
      '-a.com',
      'example.com/x',
      'ftp://example.com',
      'https://example.com/x',
    ])
      assert.equal(parseAppDomain(text), undefined, text);
    assert.deepEqual(parseAppDomain('Apps.Example.COM'), { name: 'apps.example.com', origin: undefined });
  });
});
