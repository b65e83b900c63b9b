import type { WorkflowContext } from '../sdk/node/workflow.ts';
import { createSeededRandom } from '../src/base/random.ts';

/** What decides about a plan: the same seed is the same plan, at each replay. */
export interface PlanInput {
  readonly seed: number;
  readonly depth: number;
  /** How often it went on as new. */
  readonly round?: number;
}

type Statement =
  | { readonly kind: 'step' | 'flaky' | 'fatal' | 'call' | 'callback'; readonly name: string }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'parallel' | 'map'; readonly branches: readonly (readonly Statement[])[] }
  | { readonly kind: 'child'; readonly seed: number }
  | { readonly kind: 'until' };

interface Plan {
  readonly statements: readonly Statement[];
  readonly continues: boolean;
  readonly fails: boolean;
}

/** What the world does for a step, a call, a callback: its result by name. */
export interface PlanWorld {
  step(ctx: WorkflowContext, name: string, key: string, attempt: number, fails: boolean): Promise<string>;
  /** Somebody will answer the token with this. */
  answerLater(token: string, answer: string): void;
}

function makePlan({ seed, depth, round }: PlanInput): Plan {
  const random = createSeededRandom(seed);
  let names = 0;
  const name = (): string => {
    names += 1;
    return `s${names}`;
  };
  const statements = (level: number, most: number): Statement[] =>
    Array.from({ length: 1 + Math.floor(random.fraction() * most) }, () => statement(level));
  const statement = (level: number): Statement => {
    const roll = random.fraction();
    if (roll < 0.35) return { kind: 'step', name: name() };
    if (roll < 0.47) return { kind: 'flaky', name: name() };
    if (roll < 0.5) return { kind: 'fatal', name: name() };
    if (roll < 0.6) return { kind: 'call', name: name() };
    if (roll < 0.7) {
      const long = random.fraction() < 0.4;
      return { kind: 'sleep', ms: Math.floor(random.fraction() * (long ? 3_600_000 : 900)) };
    }
    if (roll < 0.76) return { kind: 'callback', name: name() };
    if (roll < 0.8) return { kind: 'until' };
    if (roll < 0.85 && depth < 2) return { kind: 'child', seed: Math.floor(random.fraction() * 2 ** 31) };
    if (level >= 2) return { kind: 'step', name: name() };
    const branches = Array.from({ length: 2 + Math.floor(random.fraction() * 3) }, () =>
      statements(level + 1, 3),
    );
    return { kind: random.fraction() < 0.5 ? 'parallel' : 'map', branches };
  };
  const all = statements(0, 6);
  return {
    statements: all,
    continues: (round ?? 0) < 1 && random.fraction() < 0.1,
    fails: random.fraction() < 0.05,
  };
}

/** What a plan's execution must end with. */
export function expectedOutput(input: PlanInput): unknown {
  const plan = makePlan(input);
  const value = (statement: Statement): string => {
    switch (statement.kind) {
      case 'sleep':
      case 'until':
        return statement.kind;
      case 'fatal':
        return `caught ${statement.name}`;
      case 'parallel':
      case 'map':
        return `[${statement.branches.map((branch) => branch.map(value).join()).join('|')}]`;
      case 'child':
        return `child ${JSON.stringify(expectedOutput({ seed: statement.seed, depth: input.depth + 1 }))}`;
      default:
        return statement.name;
    }
  };
  const output = plan.statements.map(value);
  return plan.continues ? expectedOutput({ ...input, round: (input.round ?? 0) + 1 }) : output;
}

/** Carries a plan out as durable code. */
export function createPlanWorkflow(world: PlanWorld) {
  return async (ctx: WorkflowContext, input: PlanInput): Promise<unknown> => {
    const plan = makePlan(input);
    let pokes = 0;
    let done = 0;
    ctx.onSignal('poke', () => {
      pokes += 1;
    });
    const run = async (statement: Statement): Promise<string> => {
      switch (statement.kind) {
        case 'step':
        case 'flaky':
        case 'fatal':
          return await runStep(ctx, world, statement.kind, statement.name);
        case 'call':
          return await ctx.call<string>('echo', statement.name);
        case 'sleep':
          await ctx.sleep(`${statement.ms}ms`);
          return 'sleep';
        case 'callback': {
          const { token, result } = ctx.callback<string>({ name: statement.name });
          await ctx.step('hand out', () => world.answerLater(token, statement.name));
          return await result;
        }
        case 'until':
          // Either a signal came or the time is over: replays must agree on which, and the output does not depend on it.
          await ctx.until(() => pokes > done, { timeout: '2s' });
          done += 1;
          return 'until';
        case 'child':
          return `child ${JSON.stringify(await ctx.child('plan', { seed: statement.seed, depth: input.depth + 1 }).result)}`;
        case 'parallel':
        case 'map': {
          const work = async (branch: readonly Statement[]): Promise<string> => {
            const parts: string[] = [];
            for (const each of branch) parts.push(await run(each));
            return parts.join();
          };
          const { branches } = statement;
          const parts =
            statement.kind === 'map'
              ? await ctx.map(branches, work, { concurrency: 2 })
              : await ctx.parallel(branches.map((branch) => () => work(branch)));
          return `[${parts.join('|')}]`;
        }
        default:
          return statement satisfies never;
      }
    };
    const output: string[] = [];
    for (const statement of plan.statements) output.push(await run(statement));
    if (plan.continues) ctx.continueAsNew({ ...input, round: (input.round ?? 0) + 1 });
    return output;
  };
}

async function runStep(
  ctx: WorkflowContext,
  world: PlanWorld,
  kind: 'step' | 'flaky' | 'fatal',
  name: string,
): Promise<string> {
  const retry = { attempts: 50, initial: '20ms', max: '2s' } as const;
  try {
    return await ctx.step(
      name,
      (step) =>
        world.step(
          ctx,
          name,
          step.idempotencyKey,
          step.attempt,
          kind === 'fatal' || (kind === 'flaky' && step.attempt < 3),
        ),
      { retry: kind === 'fatal' ? { ...retry, attempts: 2 } : retry },
    );
  } catch (error) {
    if (kind !== 'fatal') throw error;
    return `caught ${name}`;
  }
}
