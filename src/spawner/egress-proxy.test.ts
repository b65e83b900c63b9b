import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { EgressProxy } from './egress-proxy.ts';

describe('the way out of a sandbox', { timeout: 20_000 }, () => {
  let folder = '';
  let echo: Server;
  let http: Server;
  let paths = 0;
  const refusals: string[] = [];
  const seen: string[] = [];
  const proxies: EgressProxy[] = [];
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-egress-'));
    echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    http = createHttpServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
      response.end(`answer to ${request.url}`);
    }).listen(0, '127.0.0.1');
    await Promise.all([once(echo, 'listening'), once(http, 'listening')]);
  });
  after(async () => {
    for (const proxy of proxies) proxy.close();
    echo.close();
    http.close();
    await rm(folder, { recursive: true });
  });

  function open(policy: NetworkPolicy): string {
    paths += 1;
    const path = join(folder, `egress-${paths}`);
    proxies.push(new EgressProxy({ path, policy, onRefused: (text) => refusals.push(text) }));
    return path;
  }

  /** Sends bytes and resolves with everything that comes back until the other side ends. */
  async function exchange(path: string, bytes: string): Promise<string> {
    const socket = connect({ path });
    socket.end(bytes);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  }

  it('tunnels to what is allowed, also what was sent along with the request', async () => {
    const path = open(['127.0.0.1']);
    const answer = await exchange(
      path,
      `CONNECT 127.0.0.1:${portOf(echo)} HTTP/1.1\r\nHost: x\r\n\r\nand back`,
    );
    assert.equal(answer, 'HTTP/1.1 200 Connection established\r\n\r\nand back');
  });

  it('forwards one plain request a connection, without what was meant for a proxy', async () => {
    const path = open(['localhost']);
    const address = `localhost:${portOf(http)}`;
    const first = `GET http://${address}/one?x=1 HTTP/1.1\r\nHost: ${address}\r\nProxy-Authorization: secret\r\nConnection: keep-alive\r\n\r\n`;
    const answer = await exchange(path, `${first}GET http://169.254.169.254/two HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*answer to \/one\?x=1$/);
    assert.equal(seen.length, 1, 'the second request went nowhere');
    assert.doesNotMatch(seen[0]!, /secret|keep-alive/);
  });

  it('refuses what is not allowed, and says what and why', async () => {
    const path = open('internet');
    for (const [host, why] of [
      ['127.0.0.1', /not a public address, and/],
      ['localhost', /not a public address \((127\.0\.0\.1|::1)\)/],
      ['localhost.', /a connection to localhost:\d+ was refused/],
      ['2130706433', /not a public address \(127\.0\.0\.1\)/],
      ['0x7f.1', /not a public address \(127\.0\.0\.1\)/],
      ['[::ffff:127.0.0.1]', /not a public address/],
      ['[::]', /not a public address/],
      ['169.254.169.254', /not a public address/],
    ] as const) {
      const before = refusals.length;
      const answer = await exchange(path, `CONNECT ${host}:${portOf(echo)} HTTP/1.1\r\n\r\nhello`);
      assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\nX-Lambent-Egress: /, host);
      assert.match(refusals[before] ?? '', why, host);
    }
  });

  it('does not even resolve a name that a list leaves out', async () => {
    const path = open(['api.example.com']);
    const answer = await exchange(path, 'CONNECT c2VjcmV0.evil.example:443 HTTP/1.1\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 403 [\s\S]*does not list it/);
  });

  it('answers nonsense with 400', async () => {
    const path = open('internet');
    for (const bytes of [
      'CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n',
      'CONNECT 127.0.0.1:0 HTTP/1.1\r\n\r\n',
      'CONNECT 127.0.0.1:80 HTTP/1.1 extra\r\n\r\n',
      'CONNECT a b:80 HTTP/1.1\r\n\r\n',
      'CONNECT [fe80::1%lo]:80 HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET http://user@127.0.0.1/ HTTP/1.1\r\n\r\n',
      'GET file:///etc/passwd HTTP/1.1\r\n\r\n',
      `CONNECT ${'a'.repeat(20_000)}`,
      '\0\0\0\0\r\n\r\n',
    ])
      assert.match(await exchange(path, bytes), /^HTTP\/1\.1 400 /, bytes.slice(0, 60));
  });

  it('closes what is open when its instance has ended', async () => {
    const path = open(['127.0.0.1']);
    const socket = connect({ path });
    socket.write(`CONNECT 127.0.0.1:${portOf(echo)} HTTP/1.1\r\n\r\n`);
    await once(socket, 'data');
    proxies.at(-1)!.close();
    await once(socket.resume(), 'close');
  });
});
