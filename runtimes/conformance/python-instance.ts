/** For tests: an instance of the runtime for Python, and the platform's end of its channel. */
import { join } from 'node:path';
import type { BootMessage } from '../../src/model/frames.ts';
import { TestInstance } from './test-instance.ts';

export const FIXTURES = join(import.meta.dirname, '../python/fixtures');
const FLAGS = ['-I', '-S', '-B', '-X', 'utf8', '-X', 'faulthandler'];
export const PYTHON_COMMAND: readonly [string, ...string[]] = [
  process.env.TEST_PYTHON ?? 'python3',
  ...FLAGS,
  join(import.meta.dirname, '../python/main.py'),
];

/** Starts a fixture and waits until it is ready, or fails with what the runtime says. */
export function startPython(entry: string, boot: Partial<BootMessage> = {}): Promise<TestInstance> {
  return TestInstance.start(entry, { codeDir: FIXTURES, ...boot }, PYTHON_COMMAND);
}

/** Starts a fixture that does not become ready: resolves when it has ended. */
export async function failToStart(entry: string, boot: Partial<BootMessage> = {}): Promise<TestInstance> {
  const instance = new TestInstance({ entry, codeDir: FIXTURES, ...boot }, PYTHON_COMMAND);
  await instance.until(() => instance.exitCode !== undefined);
  return instance;
}
