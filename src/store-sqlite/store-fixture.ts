import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import type { OpenFresh } from '../ports/conformance/harness.ts';
import { openStore, type Store } from './store.ts';

/** For tests: one port of a real store in a folder of its own. */
export function freshPort<Port>(pick: (store: Store) => Port): OpenFresh<Port> {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lambent-store-'));
    const clock = new ManualClock();
    let store = await openStore({ folder, clock, log: silentLog });
    return {
      port: pick(store),
      async reopen() {
        await store.close();
        store = await openStore({ folder, clock, log: silentLog });
        return pick(store);
      },
      async close() {
        await store.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  };
}
