import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exerciseBlobStore } from '../ports/conformance/blob-store.ts';
import { openBlobStore } from './blob-store.ts';

exerciseBlobStore(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lambent-blobs-'));
  return {
    port: await openBlobStore({ folder }),
    reopen: () => openBlobStore({ folder }),
    async close() {
      await rm(folder, { recursive: true, force: true });
    },
  };
});
