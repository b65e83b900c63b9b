import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { DoctorCheck, DoctorFinding } from '../admin/doctor.ts';

const LOOK_MS_MAX = 5_000;
const name = 'bubblewrap';

/** Which bubblewrap makes the sandboxes. Whether it makes good ones is the probe's to say (`isolation`). */
export const bubblewrapCheck: DoctorCheck = {
  name,
  run: async () => {
    const said = await promisify(execFile)('bwrap', ['--version'], { timeout: LOOK_MS_MAX }).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
    return judgeBubblewrap(said);
  },
};

/** `said`: what `bwrap --version` printed; `undefined`: there is none. */
export function judgeBubblewrap(said: string | undefined): DoctorFinding {
  if (said === undefined) return { name, status: 'ok', text: 'Not installed, and so not used.' };
  const [, major, minor] = /(\d+)\.(\d+)/.exec(said) ?? [];
  if (major === undefined)
    return { name, status: 'warn', text: `It calls itself "${said}".`, fix: 'Reinstall it.' };
  if (Number(major) > 0 || Number(minor) >= 12) return { name, status: 'ok', text: `${said}.` };
  return {
    name,
    status: 'warn',
    text: `${said} has CVE-2026-87766: a link below which something is mounted could lead out. Lambent mounts nothing below what a function controls, so none can use it here.`,
    fix: 'Update bubblewrap to 0.12.0 or later when your system offers it.',
  };
}
