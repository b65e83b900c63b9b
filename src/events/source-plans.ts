import type { Trigger, TriggerId } from '../model/trigger.ts';
import type { EventStore, SourcePosition } from '../ports/event-store.ts';
import type { SourceFactory, SourcePlan } from '../ports/source.ts';
import type { SourceChange, SourcePlans } from '../ports/source-plans.ts';
import type { EventDispatch } from './dispatch.ts';

/** Positions that are read at a time. */
const PAGE = 500;

export interface SourcePlansOptions {
  readonly dispatch: EventDispatch;
  readonly store: EventStore;
  readonly factories: readonly SourceFactory[];
}

/** Asks the kinds of sources, with where each trigger's source is. Nothing outside is looked at. */
export function createSourcePlans({ dispatch, store, factories }: SourcePlansOptions): SourcePlans {
  const find = async (id: TriggerId, { source }: Trigger): Promise<SourcePlan | undefined> => {
    const factory = factories.find(({ kind }) => kind === source.kind);
    return factory?.plan?.(id, source, await store.findPosition(id));
  };
  return {
    find,
    async left() {
      const left = new Map<TriggerId, SourcePlan['left']>();
      for (let after: string | undefined = ''; after !== undefined; ) {
        const page: readonly SourcePosition[] = await store.listPositions(after, PAGE);
        for (const { source, position } of page) {
          if (dispatch.find(source) !== undefined) continue;
          const maker = factories.find(({ leftovers }) => leftovers?.areIn(position) === true);
          if (maker !== undefined) left.set(source, maker.leftovers!.list(position));
        }
        after = page.length < PAGE ? undefined : page.at(-1)!.source;
      }
      return left;
    },
    async changes(app, triggers, mode) {
      const changes: SourceChange[] = [];
      const live = new Map(
        dispatch.triggers().flatMap((each) => (each.app === app ? [[each.id, each.trigger] as const] : [])),
      );
      for (const trigger of triggers) {
        const id = `${app}/${trigger.name}` as TriggerId;
        const former = live.get(id);
        live.delete(id);
        const [wanted, before] = [await find(id, trigger), former && (await find(id, former))];
        changes.push(...between(id, before, wanted));
      }
      if (mode === 'in their place')
        for (const [id, trigger] of live) changes.push(...between(id, await find(id, trigger), undefined));
      return changes;
    },
  };
}

function between(
  trigger: TriggerId,
  before: SourcePlan | undefined,
  wanted: SourcePlan | undefined,
): SourceChange[] {
  const changes: SourceChange[] = [];
  const add = (kind: SourceChange['kind'], place: string, statements: readonly string[]): void => {
    if (statements.length > 0) changes.push({ trigger, kind, place, statements });
  };
  // Of what is made already only that which is other than it was.
  const there = wanted?.isMade === true ? (before?.make ?? []) : [];
  if (wanted !== undefined)
    add(
      'make',
      wanted.place,
      wanted.make.filter((each) => !there.includes(each)),
    );
  for (const { place, drop } of wanted?.left ?? before?.left ?? []) add('drop', place, drop);
  if (wanted === undefined && before?.isMade === true) add('drop', before.place, before.drop);
  return changes;
}
