/** `npm run chaos -- --seed N --minutes M [--bug ack-early] [--services all|quick|none]`: the kill harness. Exit code 1: a promise was broken. */
import { parseArgs } from 'node:util';
import { reportText, runChaos } from './chaos-run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    bug: { type: 'string', default: 'none' },
    services: { type: 'string', default: 'all' },
  },
});
const seed = Number(values.seed);
const minutes = Number(values.minutes);
const services = (['all', 'quick', 'none'] as const).find((each) => each === values.services);
if (
  services === undefined ||
  !Number.isInteger(seed) ||
  !(minutes > 0) ||
  (values.bug !== 'none' && values.bug !== 'ack-early')
) {
  process.stderr.write(
    'Usage: npm run chaos -- --seed N --minutes M [--bug ack-early] [--services all|quick|none]\n',
  );
  process.exitCode = 2;
} else {
  const report = await runChaos({ seed, durationMs: minutes * 60_000, bug: values.bug, services });
  process.stdout.write(reportText(report));
  if (report.problems.length > 0) process.exitCode = 1;
}
