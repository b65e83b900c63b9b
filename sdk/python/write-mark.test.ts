import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { it } from 'node:test';
import { promisify } from 'node:util';

it('write_mark says which event led a function to write', async () => {
  const program = `
from lambent.tables import write_mark
for event in ({"lambentdepth": 3}, {}, {"lambentdepth": "1'"}):
    print(*write_mark(event), sep="|")`;
  const { stdout } = await promisify(execFile)('python3', ['-c', program], { cwd: import.meta.dirname });
  assert.deepEqual(stdout.trim().split('\n'), [
    `SELECT pg_logical_emit_message(true, 'lambent', '3')|/* lambent:3 */`,
    `SELECT pg_logical_emit_message(true, 'lambent', '0')|/* lambent:0 */`,
    `SELECT pg_logical_emit_message(true, 'lambent', '0')|/* lambent:0 */`,
  ]);
});
