import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { BuildNetwork } from '../ports/build-sandbox.ts';
import { ConnectionBudget } from './connection-budget.ts';
import { EgressProxy } from './egress-proxy.ts';

const FLOOD_BYTES = 64 * 2 ** 20;

async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns++) {
    assert.ok(turns < 100_000, 'it never came');
    await new Promise(setImmediate);
  }
}

describe('the way out of a sandbox', { timeout: 20_000 }, () => {
  let folder = '';
  let echo: Server;
  let http: Server;
  let flood: Server;
  let flooded = 0;
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
      if (request.url === '/redirect') response.writeHead(302, { location: 'http://169.254.169.254/' });
      response.end(`answer to ${request.url}`);
    }).listen(0, '127.0.0.1');
    flood = createServer((socket) => {
      const chunk = Buffer.alloc(2 ** 16);
      const more = (): void => {
        if (flooded >= FLOOD_BYTES) return void socket.end();
        flooded += chunk.length;
        socket.write(chunk, more);
      };
      socket.on('error', () => {});
      more();
    }).listen(0, '127.0.0.1');
    await Promise.all([echo, http, flood].map((server) => once(server, 'listening')));
  });
  after(async () => {
    for (const proxy of proxies) proxy.close();
    echo.close();
    http.close();
    flood.close();
    await rm(folder, { recursive: true });
  });

  function open(
    policy: NetworkPolicy,
    resolve?: (host: string) => Promise<string[]>,
    budget = new ConnectionBudget(),
    build?: BuildNetwork,
  ): string {
    paths += 1;
    const path = join(folder, `egress-${paths}`);
    proxies.push(
      new EgressProxy({
        path,
        policy,
        budget,
        build,
        onRefused: (text) => refusals.push(text),
        ...(resolve === undefined ? {} : { resolve }),
      }),
    );
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

  it('lets a tool of a build reach what the machine’s configuration names, and nothing else that is private', async () => {
    const granted = [`registry.example:${portOf(echo)}`];
    const resolve = async (): Promise<string[]> => ['127.0.0.1'];
    const path = open('internet', resolve, undefined, { granted, proxy: undefined });
    const ask = (host: string): Promise<string> =>
      exchange(path, `CONNECT ${host}:${portOf(echo)} HTTP/1.1\r\n\r\nhello`);
    assert.match(await ask('registry.example'), /^HTTP\/1\.1 200 [\s\S]*hello$/);
    for (const host of ['other.example', '127.0.0.1', 'x.registry.example'])
      assert.match(await ask(host), /403 Forbidden[\s\S]*builds reach no others but the registries/, host);
  });

  it('goes through the proxy that the machine itself needs, whose password stays outside', async () => {
    const asked: string[] = [];
    const upstream = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (chunk) => {
        asked.push(String(chunk));
        if (String(chunk).includes('refused.example')) socket.end('HTTP/1.1 407 Who are you\r\n\r\n');
        else {
          socket.write('HTTP/1.1 200 Fine\r\nX: y\r\n\r\nfirst ');
          socket.pipe(socket);
        }
      });
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const resolve = async (host: string): Promise<string[]> =>
      ({ 'proxy.example': ['127.0.0.1'], 'private.example': ['10.0.0.1'] })[host] ?? [];
    const proxy = {
      ...{ host: 'proxy.example', port: portOf(upstream), credentials: 'user:password' },
      except: ['direct.example', '.internal'],
    };
    const path = open('internet', resolve, undefined, { granted: [], proxy });
    const ask = (host: string): Promise<string> =>
      exchange(path, `CONNECT ${host}:443 HTTP/1.1\r\n\r\nhello`);
    assert.equal(await ask('far.example'), 'HTTP/1.1 200 Connection established\r\n\r\nfirst hello');
    assert.match(asked[0]!, /^CONNECT far\.example:443 HTTP\/1\.1\r\n[\s\S]*Basic dXNlcjpwYXNzd29yZA==\r\n/);
    assert.match(
      await ask('refused.example'),
      /502 [\s\S]*the proxy of this machine refused: HTTP\/1\.1 407/,
    );
    assert.match(await ask('169.254.169.254'), /403 Forbidden/);
    assert.match(await ask('private.example'), /403 Forbidden/);
    for (const host of ['direct.example', 'a.internal'])
      assert.match(await ask(host), /502 [\s\S]*has no address/, host);
    assert.equal(asked.length, 2);
    upstream.close();
  });

  it('does not even resolve a name that a list leaves out: that would tell its server what is in the name', async () => {
    const asked: string[] = [];
    const path = open(['*.example.com'], async (host) => {
      asked.push(host);
      return [];
    });
    const ask = (host: string): Promise<string> => exchange(path, `CONNECT ${host}:443 HTTP/1.1\r\n\r\n`);
    assert.match(await ask('c2VjcmV0.evil.example'), /^HTTP\/1\.1 403 [\s\S]*does not list it/);
    assert.match(await ask('c2VjcmV0.example.com.evil.example'), /^HTTP\/1\.1 403 /);
    assert.deepEqual(asked, []);
    assert.match(await ask('api.example.com'), /^HTTP\/1\.1 502 [\s\S]*has no address/);
    assert.deepEqual(asked, ['api.example.com']);
  });

  it('asks for a name once, and connects to what it looked at', async () => {
    // The second answer is the one that a rebinding name server keeps for the connection.
    const answers = [['169.254.169.254', '127.0.0.1'], ['127.0.0.2']];
    let asked = 0;
    const path = open(['rebound.example', `127.0.0.1:${portOf(echo)}`], async () => answers[asked++] ?? []);
    const request = `CONNECT rebound.example:${portOf(echo)} HTTP/1.1\r\n\r\nto the first`;
    assert.match(await exchange(path, request), /^HTTP\/1\.1 200 [\s\S]*to the first$/);
    assert.equal(asked, 1);
    assert.match(await exchange(path, request), /^HTTP\/1\.1 403 [\s\S]*\(127\.0\.0\.2\)/, 'looked at anew');
  });

  it('asks for few names at a time, and for none twice at once', async () => {
    const asked: string[] = [];
    const pending: PromiseWithResolvers<string[]>[] = [];
    const path = open('internet', (host) => {
      asked.push(host);
      const answer = Promise.withResolvers<string[]>();
      pending.push(answer);
      return answer.promise;
    });
    const ask = (host: string): Promise<string> => exchange(path, `CONNECT ${host}:443 HTTP/1.1\r\n\r\n`);
    const many = Array.from({ length: 40 }, (_, at) => ask(`slow${at % 20}.example`));
    const nobody = exchange(path, 'CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n');
    assert.match(await nobody, /^HTTP\/1\.1 403 /, 'addresses need not wait for names');
    for (let told = 0; told < 20; told++) {
      await until(() => pending.length > told);
      assert.ok(pending.length - told <= 4, `${pending.length - told} at a time`);
      pending[told]!.resolve([]);
    }
    for (const answer of await Promise.all(many)) assert.match(answer, /^HTTP\/1\.1 502 /);
    assert.deepEqual(asked.toSorted(), [...new Set(asked)].toSorted());
    assert.equal(asked.length, 20);
  });

  it('passes a redirect on, and does not follow it', async () => {
    const visits = seen.length;
    const path = open([`127.0.0.1:${portOf(http)}`]);
    const address = `127.0.0.1:${portOf(http)}`;
    const answer = await exchange(path, `GET http://${address}/redirect HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 302 [\s\S]*location: http:\/\/169\.254\.169\.254\//i);
    assert.equal(seen.length, visits + 1);
  });

  it('takes no more from a fast side than the slow one reads', async () => {
    const path = open(['127.0.0.1']);
    const socket = connect({ path });
    socket.write(`CONNECT 127.0.0.1:${portOf(flood)} HTTP/1.1\r\n\r\n`);
    // Nobody reads. While others are served, the flood must come to a halt.
    let before = -1;
    for (let still = 0; still < 20; before = flooded) {
      assert.ok(flooded < FLOOD_BYTES, 'all of it was taken');
      await exchange(path, `CONNECT 127.0.0.1:${portOf(echo)} HTTP/1.1\r\n\r\n`);
      still = flooded > 0 && flooded === before ? still + 1 : 0;
    }
    let received = 0;
    for await (const chunk of socket) received += (chunk as Buffer).length;
    assert.ok(received > FLOOD_BYTES, 'it goes on when somebody reads');
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

  it('lets no instance, nor all of them together, take every descriptor; who has few gets more', async () => {
    const budget = new ConnectionBudget(160);
    assert.equal(budget.most, 40);
    const target = `CONNECT 127.0.0.1:${portOf(echo)} HTTP/1.1\r\n\r\n`;
    const held: Socket[] = [];
    /** Connections until one is refused; how many there were, and the refusal. */
    const fill = async (path: string): Promise<[number, string]> => {
      for (let count = 0; ; count += 1) {
        const socket = connect({ path });
        socket.write(target);
        const answer = String((await once(socket, 'data'))[0]);
        if (!answer.startsWith('HTTP/1.1 200 ')) return [count, answer];
        held.push(socket);
      }
    };
    const [greedy, second, third] = [1, 2, 3].map(() => open(['127.0.0.1'], undefined, budget));
    const [most, refusal] = await fill(greedy!);
    assert.equal(most, 30);
    assert.match(
      refusal,
      /^HTTP\/1\.1 429 Too Many Requests\r\nX-Lambent-Egress: E_TOO_MANY_CONNECTIONS: it has 30 /,
    );
    assert.match(refusals.at(-1)!, /^E_TOO_MANY_CONNECTIONS: /);
    assert.equal((await fill(second!))[0], 8);
    const [rest, full] = await fill(third!);
    assert.equal(rest, 2);
    assert.match(full, /all instances together have 40/);
    for (const socket of held.splice(0, 30)) socket.destroy();
    await until(() => budget.open === 10);
    assert.match(await exchange(greedy!, `${target}again`), /^HTTP\/1\.1 200 [\s\S]*again$/);
    for (const socket of held) socket.destroy();
    await until(() => budget.open === 0);
  });

  it('counts what it has begun for clients that are gone', async () => {
    const budget = new ConnectionBudget(32);
    const pending: ((addresses: string[]) => void)[] = [];
    const path = open('internet', () => new Promise((resolve) => pending.push(resolve)), budget);
    for (let client = 0; client < 8; client += 1) {
      const socket = connect({ path });
      await new Promise((resolve) =>
        socket.write(`CONNECT n${client}.example:443 HTTP/1.1\r\n\r\n`, resolve),
      );
      await until(() => budget.open === client + 1);
      await until(() => pending.length === Math.min(4, client + 1));
      socket.destroy();
    }
    assert.match(await exchange(path, 'CONNECT 1.1.1.1:443 HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 429 /);
    proxies.at(-1)!.close();
    await until(() => budget.open === 4);
    for (const resolve of pending) resolve([]);
    await until(() => budget.open === 0);
    assert.equal(pending.length, 4, 'nobody is left to ask for the others');
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
