import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { openStore } from '../store.ts';

/* For the test of the folder's lock: holds a store open until it is killed. */
await openStore({ folder: process.argv[2]!, clock: systemClock, log: silentLog });
process.stdout.write('open\n');
