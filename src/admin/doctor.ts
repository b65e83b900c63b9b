import { createRoute, z } from '@hono/zod-openapi';
import type { Clock } from '../base/clock.ts';
import { toLambentError } from '../base/errors.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { AppStore } from '../ports/app-store.ts';
import type { AsyncQueue } from '../ports/async-queue.ts';
import type { Sandbox } from '../ports/sandbox.ts';
import { isolationFinding } from './isolation-finding.ts';
import type { AdminRouter } from './router.ts';
import { jsonAnswer } from './schemas.ts';

export interface DoctorFinding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was found, in a sentence. */
  readonly text: string;
  /** What to do, where something is to be done. */
  readonly fix?: string;
}

/** One thing to look at. A check that throws is a finding too: `fail` with its error. */
export interface DoctorCheck {
  readonly name: string;
  run(): Promise<DoctorFinding>;
}

export interface DoctorDeps {
  clock: Clock;
  apps: AppStore;
  asyncQueue: AsyncQueue;
  feed: ActivityFeed;
  sandbox: Pick<Sandbox, 'describe'>;
  /** Further checks of what only the server sees: its disk and its port. */
  doctorChecks: readonly DoctorCheck[];
}

/** A check that takes longer is reported as failed. */
export const CHECK_WAIT_MS = 5_000;
/** A store that takes longer to answer is worth a warning. */
const STORE_SLOW_MS = 250;

const FindingSchema = z
  .object({
    name: z.string(),
    status: z.enum(['ok', 'warn', 'fail']),
    text: z.string(),
    fix: z.string().optional(),
  })
  .openapi('DoctorFinding');

const IsolationSchema = z
  .object({
    driver: z.string(),
    level: z.enum(['A', 'B', 'C', 'D', 'E']),
    summary: z.string(),
    advice: z.string().optional(),
    protections: z.array(z.object({ name: z.string(), enforced: z.boolean(), note: z.string() })).readonly(),
  })
  .openapi('Isolation');

const doctorRoute = createRoute({
  method: 'get',
  path: '/doctor',
  operationId: 'getDoctor',
  tags: ['platform'],
  summary: 'Checks of this server, and how well functions are kept apart here.',
  responses: {
    200: jsonAnswer(
      z.object({ checks: z.array(FindingSchema), isolation: IsolationSchema }),
      'The findings.',
    ),
  },
});

export function addDoctor(api: AdminRouter, deps: DoctorDeps): void {
  api.openapi(doctorRoute, async (c) => {
    const isolation = await deps.sandbox.describe();
    const checks = [storeCheck(deps), queueCheck(deps), telemetryCheck(deps), ...deps.doctorChecks];
    const findings = await Promise.all(checks.map((check) => runCheck(check, deps.clock)));
    return c.json({ checks: [...findings, isolationFinding(isolation)], isolation }, 200);
  });
}

async function runCheck(check: DoctorCheck, clock: Clock): Promise<DoctorFinding> {
  const late = Promise.withResolvers<DoctorFinding>();
  const timer = clock.after(CHECK_WAIT_MS, () =>
    late.resolve({
      name: check.name,
      status: 'fail',
      text: `No answer within ${CHECK_WAIT_MS / 1_000} seconds.`,
    }),
  );
  try {
    return await Promise.race([check.run(), late.promise]);
  } catch (thrown) {
    const error = toLambentError(thrown);
    return { name: check.name, status: 'fail', text: `${error.code}: ${error.message}`, fix: error.hint };
  } finally {
    timer.cancel();
  }
}

function storeCheck({ apps, clock }: DoctorDeps): DoctorCheck {
  return {
    name: 'store',
    async run() {
      const startedMs = clock.monotonicMs();
      const count = (await apps.listApps()).length;
      const tookMs = Math.round(clock.monotonicMs() - startedMs);
      const text = `The store answers in ${tookMs} ms and holds ${count} app${count === 1 ? '' : 's'}.`;
      if (tookMs <= STORE_SLOW_MS) return { name: 'store', status: 'ok', text };
      return { name: 'store', status: 'warn', text, fix: 'Look for a busy or slow disk.' };
    },
  };
}

function queueCheck({ asyncQueue }: DoctorDeps): DoctorCheck {
  return {
    name: 'async-queue',
    async run() {
      const { waiting, claimed, dead } = await asyncQueue.counts();
      const text = `Asynchronous invocations: ${waiting} waiting, ${claimed} running, ${dead} dead.`;
      if (dead === 0) return { name: 'async-queue', status: 'ok', text };
      return {
        name: 'async-queue',
        status: 'warn',
        text,
        fix: 'Read why with `lambent logs`, mend the function, then call it again.',
      };
    },
  };
}

function telemetryCheck({ feed }: DoctorDeps): DoctorCheck {
  return {
    name: 'telemetry',
    async run() {
      const { invocationsOverflow, linesOverflow, invocationsFailed, linesFailed } = feed.dropped;
      const lost = invocationsOverflow + linesOverflow + invocationsFailed + linesFailed;
      if (lost === 0) return { name: 'telemetry', status: 'ok', text: 'Nothing of the history was dropped.' };
      return {
        name: 'telemetry',
        status: 'warn',
        text: `${lost} records of the history were dropped since the start.`,
        fix: 'The store was slower than the work: look at the disk, or log less.',
      };
    },
  };
}
