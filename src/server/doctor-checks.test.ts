import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { DoctorFinding } from '../admin/doctor.ts';
import { systemClock } from '../base/clock.ts';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import { checkMemory, createDoctorChecks, type ListeningAddress } from './doctor-checks.ts';

const defects = createDefects(silentLog);
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(host: string, port: number): Promise<AddressInfo> {
  const server = createServer((socket) => socket.destroy());
  servers.push(server);
  server.listen(port, host);
  await once(server, 'listening');
  return server.address() as AddressInfo;
}

async function find(name: string, at: ListeningAddress | undefined): Promise<DoctorFinding> {
  const checks = createDoctorChecks(join(tmpdir(), 'not-there', 'data'), () => at, systemClock, defects);
  return await checks.find((check) => check.name === name)!.run();
}

describe('what the server checks of itself', () => {
  it('says how much space there is where the data folder would be made', async () => {
    const { status, text } = await find('disk', undefined);
    assert.notEqual(status, 'fail');
    assert.match(text, /^\d+ MB are free for .*not-there\/data\.$/);
  });

  it('says from where the port is reached', async () => {
    const loopback = await find('port', await listen('127.0.0.1', 0));
    assert.equal(loopback.status, 'ok');
    assert.match(loopback.text, /^Listens on 127\.0\.0\.1:\d+, from this machine alone\.$/);
    const all = await find('port', { address: '::', port: 80 });
    assert.deepEqual(
      [all.status, all.text],
      ['ok', 'Listens on [::]:80, from every network that leads to this machine.'],
    );
    assert.equal((await find('port', undefined)).status, 'fail');
  });

  it('says how much memory there is, and warns when it is little', async () => {
    assert.match((await find('memory', undefined)).text, /^\d+ MB of memory are available; .* has \d+ MB\.$/);
    const mb = 1024 * 1024;
    assert.equal(checkMemory(256 * mb, mb).status, 'ok');
    const { status, text } = checkMemory(100 * mb, 80 * mb);
    assert.deepEqual(
      [status, text],
      ['warn', '100 MB of memory are available; the platform itself has 80 MB.'],
    );
  });

  it('says that defects were contained', async () => {
    assert.equal((await find('defects', undefined)).status, 'ok');
    defects.note('a test ran', new Error('on purpose'));
    const { status, text } = await find('defects', undefined);
    assert.deepEqual([status, text], ['warn', '1 defects of Lambent were contained since the start.']);
  });

  it('warns when localhost may lead to another program', async (t) => {
    const own = await listen('127.0.0.1', 0);
    try {
      await listen('::1', own.port);
    } catch {
      t.skip('this machine has no IPv6');
      return;
    }
    const { status, text, fix } = await find('port', own);
    assert.equal(status, 'warn');
    assert.match(text, /Another program listens on \[::1\]:\d+/);
    assert.match(fix!, /127\.0\.0\.1/);
  });
});
