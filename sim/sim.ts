import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.ts';
import { systemRandom } from '../src/base/random.ts';
import { simulate } from './simulation.ts';

/*
 * `npm run sim` draws a seed; `npm run sim -- --seed N` replays one. `--rounds` goes on with the following seeds,
 * `--executions` says how many executions each has.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    executions: { type: 'string', default: '1000' },
  },
});
const first = values.seed === undefined ? Math.floor(systemRandom.fraction() * 2 ** 31) : Number(values.seed);

for (let round = 0; round < Number(values.rounds); round += 1) {
  const seed = first + round;
  const startMs = systemClock.monotonicMs();
  const report = await simulate({ seed, executions: Number(values.executions) });
  const { executions, events, crashes, pauses, steps, repeatedSteps, simulatedMs, violations } = report;
  console.log(
    `seed ${seed}: ${executions} executions, ${events} events, ${crashes} crashes, ${pauses} pauses, ${steps} runs of steps (${repeatedSteps} again), ${Math.round(simulatedMs / 1000)} s simulated in ${Math.round(systemClock.monotonicMs() - startMs)} ms`,
  );
  if (violations.length === 0) continue;
  for (const violation of violations) console.log(`  broken: ${violation}`);
  console.log(`Replay it with: npm run sim -- --seed ${seed} --executions ${executions}`);
  process.exitCode = 1;
}
