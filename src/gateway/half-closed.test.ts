import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { createDefects } from '../base/defects.ts';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { watchHalfClosed } from './half-closed.ts';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

/** Two ends of a connection; the far one has ended its side. */
async function openHalfClosed(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  endings.push(() => server.close());
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const far = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [near] = await accepted;
  endings.push(() => near.destroy());
  endings.push(() => far.destroy());
  near.on('error', () => {});
  near.resume();
  far.end();
  await once(near, 'end');
  return { near, far };
}

describe('a half-closed connection', () => {
  it('ends when nothing was sent for a minute and no look is possible', async () => {
    const { near } = await openHalfClosed();
    const clock = new ManualClock();
    watchHalfClosed({ clock, defects: createDefects(silentLog) }, near, () => undefined);
    clock.advance(59_000);
    await new Promise((resolve) => near.write('something', resolve));
    clock.advance(59_000);
    assert.equal(near.destroyed, false, 'the minute began again');
    clock.advance(62_000);
    assert.equal(near.destroyed, true);
  });
});
