import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../base/log.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { exerciseAccessStore } from '../ports/conformance/access-store.ts';
import { exerciseAppStore } from '../ports/conformance/app-store.ts';
import { exerciseAsyncQueue } from '../ports/conformance/async-queue.ts';
import { exerciseEventStore } from '../ports/conformance/event-store.ts';
import { exerciseCallDetailStore } from '../ports/conformance/call-details.ts';
import type { OpenFresh } from '../ports/conformance/harness.ts';
import { exerciseJournalStore } from '../ports/conformance/journal-store.ts';
import { exerciseSavedEventStore } from '../ports/conformance/saved-events.ts';
import { exerciseSecretStore } from '../ports/conformance/secret-store.ts';
import { exerciseStateMachineStore } from '../ports/conformance/state-machine-store.ts';
import { exerciseTelemetryStore } from '../ports/conformance/telemetry-store.ts';
import { openStore, type Store } from './store.ts';

/** One port of a real store in a folder of its own. */
function freshPort<Port>(pick: (store: Store) => Port): OpenFresh<Port> {
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

exerciseAccessStore(freshPort((store) => store.access));
exerciseAppStore(freshPort((store) => store.apps));
exerciseAsyncQueue(freshPort((store) => store.asyncQueue));
exerciseCallDetailStore(freshPort((store) => store.callDetails));
exerciseJournalStore(freshPort((store) => store.journal));
exerciseEventStore(freshPort((store) => store.events));
exerciseSavedEventStore(freshPort((store) => store.savedEvents));
exerciseSecretStore(freshPort((store) => store.secrets));
exerciseStateMachineStore(freshPort((store) => store.stateMachines));
exerciseTelemetryStore(freshPort((store) => store.telemetry));
