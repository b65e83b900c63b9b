import type { ExecutionId, NodeId } from '../src/base/ids.ts';
import {
  type ExecutionInput,
  type ExecutionRecord,
  type ExecutionStatus,
  FINAL_STATUSES,
  isFinal,
  RULES,
} from '../src/model/execution.ts';
import type { JournalEntry } from '../src/model/journal.ts';
import {
  type Awaiting,
  type ClaimedExecution,
  type CreateOutcome,
  type DeliverOutcome,
  type ExecutionQuery,
  INBOX_MAX,
  type InboxItem,
  type JournalStore,
  type NewExecution,
  type NextState,
  type Transition,
} from '../src/ports/journal-store.ts';

interface Row {
  record: { -readonly [Key in keyof ExecutionRecord]: ExecutionRecord[Key] };
  readonly order: number;
  fence: number;
  entries: JournalEntry[];
  inbox: InboxItem[];
  readonly slot: { readonly name: string; readonly limit: number } | undefined;
  debounce: string | undefined;
}

/** Faults that a simulation plants on purpose, to see that it would find them. */
export interface PlantedFaults {
  /** Appends are not checked against the claim. */
  readonly ignoreFence?: boolean;
  /** A claim is given back as waiting although something came in meanwhile. */
  readonly loseWakeUps?: boolean;
}

function refersTo({ entries, inbox }: Row, blob: string): boolean {
  return JSON.stringify([entries, inbox]).includes(`"blob":"${blob}"`);
}

/** Executions and journals in memory: what the port says and nothing else, for simulations. Each call is atomic. */
export class MemoryJournal implements JournalStore {
  readonly rows = new Map<ExecutionId, Row>();
  /** Those that have not ended. */
  readonly open = new Set<Row>();
  readonly #planted: PlantedFaults;
  readonly #keys = new Map<string, { readonly id: ExecutionId; readonly fingerprint: string }>();
  readonly #slots = new Map<string, number>();
  readonly #rates = new Map<string, number>();
  #awaits: (Awaiting & { readonly key: string })[] = [];
  #order = 0;

  constructor(planted: PlantedFaults = {}) {
    this.#planted = planted;
  }

  async create(start: NewExecution, nowMs: number): Promise<CreateOutcome> {
    return this.#create(start, nowMs);
  }

  async claim(node: NodeId, nowMs: number, limit: number): Promise<ClaimedExecution[]> {
    const of = (status: ExecutionStatus): Row[] =>
      [...this.open].filter(({ record }) => record.status === status);
    const dueMs = (row: Row): number => row.record.dueMs ?? 0;
    const ready = of('ready').sort(
      (a, b) => b.record.priority - a.record.priority || dueMs(a) - dueMs(b) || a.order - b.order,
    );
    const due = of('waiting')
      .filter(({ record }) => record.dueMs !== undefined && record.dueMs <= nowMs)
      .sort((a, b) => dueMs(a) - dueMs(b) || a.order - b.order);
    return [...ready, ...due].slice(0, Math.max(0, limit)).map((row) => {
      row.record.status = 'running';
      row.record.node = node;
      row.fence += 1;
      row.debounce = undefined;
      return {
        record: { ...row.record },
        fence: row.fence,
        entries: [...row.entries],
        inbox: [...row.inbox],
      };
    });
  }

  async append(transition: Transition): Promise<boolean> {
    const { id, fence, seq, entries, nowMs, next, consumed } = transition;
    const row = this.rows.get(id);
    if (row === undefined) return false;
    const held = row.record.status === 'running' && row.fence === fence && row.entries.length === seq;
    if (!held && this.#planted.ignoreFence !== true) return false;
    row.entries.push(...entries);
    row.record.entries = row.entries.length;
    row.inbox = row.inbox.filter((item) => !consumed.includes(item.position));
    for (const { op, key, detail } of transition.awaits) {
      this.#order += 1;
      this.#awaits.push({ position: this.#order, execution: id, app: row.record.app, op, key, detail });
    }
    this.#awaits = this.#awaits.filter(
      (each) => each.execution !== id || !transition.awaitsNoMore.includes(each.op),
    );
    for (const start of transition.starts) this.#create(start, nowMs);
    for (const { to, input } of transition.messages) this.#deliver(to, input, nowMs);
    this.#settleInto(row, next, entries, nowMs);
    return true;
  }

  async release(id: ExecutionId, fence: number, dueMs: number, nowMs: number): Promise<boolean> {
    const row = this.rows.get(id);
    if (row === undefined || row.fence !== fence || row.record.status !== 'running') return false;
    Object.assign(row.record, { status: dueMs > nowMs ? 'waiting' : 'ready', node: undefined, dueMs });
    return true;
  }

  async deliver(id: ExecutionId, input: ExecutionInput, nowMs: number): Promise<DeliverOutcome> {
    return this.#deliver(id, input, nowMs);
  }

  async inbox(id: ExecutionId): Promise<InboxItem[]> {
    return [...(this.rows.get(id)?.inbox ?? [])];
  }

  async findAwaiting(key: string, limit: number, after = 0): Promise<Awaiting[]> {
    return this.#awaits
      .filter((each) => each.key === key && each.position > after)
      .slice(0, limit)
      .map(({ key: _key, ...rest }) => rest);
  }

  async settleAwaiting(id: ExecutionId, op: number, input: ExecutionInput, nowMs: number): Promise<boolean> {
    const at = this.#awaits.findIndex((each) => each.execution === id && each.op === op);
    if (at < 0) return false;
    this.#awaits.splice(at, 1);
    return this.#deliver(id, input, nowMs).status === 'delivered';
  }

  async recover(node: NodeId, nowMs: number, limit: number): Promise<number> {
    const lost = [...this.open]
      .filter(({ record }) => record.status === 'running' && record.node !== node)
      .slice(0, limit);
    for (const { record } of lost) Object.assign(record, { status: 'ready', node: undefined, dueMs: nowMs });
    return lost.length;
  }

  async nextDueMs(): Promise<number | undefined> {
    let earliest: number | undefined;
    for (const { record } of this.open) {
      const dueMs = record.status === 'ready' ? 0 : record.status === 'waiting' ? record.dueMs : undefined;
      if (dueMs !== undefined && (earliest === undefined || dueMs < earliest)) earliest = dueMs;
    }
    return earliest;
  }

  async find(id: ExecutionId): Promise<ExecutionRecord | undefined> {
    const row = this.rows.get(id);
    return row === undefined ? undefined : { ...row.record };
  }

  async history(id: ExecutionId, from: number, limit: number): Promise<JournalEntry[]> {
    return (this.rows.get(id)?.entries ?? []).slice(from, from + limit);
  }

  async list({ app, workflow, status, parent, limit, before }: ExecutionQuery): Promise<ExecutionRecord[]> {
    const last = before === undefined ? Number.POSITIVE_INFINITY : (this.rows.get(before)?.order ?? 0);
    return [...this.rows.values()]
      .filter(({ order, record }) => order < last && (status === undefined || record.status === status))
      .filter(({ record }) => app === undefined || record.app === app)
      .filter(({ record }) => workflow === undefined || record.workflow === workflow)
      .filter(({ record }) => parent === undefined || record.parent?.execution === parent)
      .sort((a, b) => b.order - a.order)
      .slice(0, limit)
      .map(({ record }) => ({ ...record }));
  }

  async referencedPayloads(blobs: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(blobs.filter((blob) => [...this.rows.values()].some((row) => refersTo(row, blob))));
  }

  async refersTo(id: ExecutionId, blob: string): Promise<boolean> {
    const row = this.rows.get(id);
    return row !== undefined && refersTo(row, blob);
  }

  async counts(): Promise<Record<ExecutionStatus, number>> {
    const counts = Object.fromEntries(
      ['queued', 'ready', 'running', 'waiting', ...FINAL_STATUSES].map((status) => [status, 0]),
    ) as Record<ExecutionStatus, number>;
    for (const { record } of this.rows.values()) counts[record.status] += 1;
    return counts;
  }

  async prune(endedBeforeMs: number, endedMax: number, limit: number): Promise<number> {
    const ended = [...this.rows.values()]
      .filter(({ record }) => record.endedMs !== undefined)
      .toSorted((left, right) => left.record.endedMs! - right.record.endedMs!);
    const gone = ended
      .filter(({ record }, place) => place < ended.length - endedMax || record.endedMs! < endedBeforeMs)
      .slice(0, limit);
    for (const { record } of gone) {
      this.rows.delete(record.id);
      for (const [key, { id }] of this.#keys) if (id === record.id) this.#keys.delete(key);
    }
    return gone.length;
  }

  #create(start: NewExecution, nowMs: number): CreateOutcome {
    const { id, idempotency, debounce, concurrency, rate } = start;
    const scoped = (key: string): string => JSON.stringify([start.app, start.workflow, key]);
    const known = idempotency === undefined ? undefined : this.#keys.get(scoped(idempotency.key));
    if (known !== undefined)
      return { status: 'exists', id: known.id, sameInput: known.fingerprint === idempotency!.fingerprint };
    const waitMs = debounce?.waitMs ?? 0;
    if (debounce !== undefined) {
      const row = [...this.open].find(
        (each) =>
          each.debounce === scoped(debounce.key) &&
          (each.record.status === 'waiting' || each.record.status === 'queued'),
      );
      if (row !== undefined) {
        row.entries = [...start.entries];
        row.record.dueMs = nowMs + waitMs;
        return { status: 'replaced', id: row.record.id };
      }
    }
    if (this.rows.has(id)) return { status: 'exists', id, sameInput: true };
    const turnMs = rate === undefined ? 0 : this.#takeTurn(scoped(rate.key), rate, nowMs);
    const dueMs = Math.max(start.notBeforeMs ?? 0, nowMs + waitMs, turnMs);
    const slot =
      concurrency === undefined ? undefined : { name: scoped(concurrency.key), limit: concurrency.limit };
    const used = slot === undefined ? 0 : (this.#slots.get(slot.name) ?? 0);
    const admitted = slot === undefined || used < slot.limit;
    if (slot !== undefined && admitted) this.#slots.set(slot.name, used + 1);
    const claimed = admitted && dueMs <= nowMs && start.claimBy !== undefined;
    const status = !admitted ? 'queued' : claimed ? 'running' : dueMs > nowMs ? 'waiting' : 'ready';
    const { app, workflow, kind, version, deployment, priority, parent, origin, expiresMs } = start;
    this.#order += 1;
    const row: Row = {
      record: {
        ...{
          id,
          app,
          workflow,
          kind,
          rules: start.rules ?? RULES[kind],
          version,
          deployment,
          priority,
          parent,
          origin,
          expiresMs,
          status,
          dueMs,
        },
        ...{ createdMs: nowMs, endedMs: undefined, node: claimed ? start.claimBy : undefined },
        ...{ entries: start.entries.length, bytes: 0 },
        ...(concurrency === undefined ? {} : { concurrencyKey: concurrency.key }),
      },
      order: this.#order,
      fence: claimed ? 1 : 0,
      entries: [...start.entries],
      inbox: [],
      slot,
      debounce: debounce === undefined ? undefined : scoped(debounce.key),
    };
    this.rows.set(id, row);
    this.open.add(row);
    if (idempotency !== undefined)
      this.#keys.set(scoped(idempotency.key), { id, fingerprint: idempotency.fingerprint });
    return { status: 'created', id, fence: claimed ? 1 : undefined };
  }

  #takeTurn(rate: string, { limit, perMs }: { limit: number; perMs: number }, nowMs: number): number {
    const nextMs = Math.max(nowMs, this.#rates.get(rate) ?? 0);
    this.#rates.set(rate, nextMs + perMs / limit);
    return Math.max(nowMs, nextMs - (perMs / limit) * (limit - 1));
  }

  #deliver(id: ExecutionId, input: ExecutionInput, nowMs: number): DeliverOutcome {
    const row = this.rows.get(id);
    if (row === undefined) return { status: 'unknown' };
    const { record, slot } = row;
    if (isFinal(record.status)) return { status: 'ended', as: record.status };
    if (row.inbox.length >= INBOX_MAX) return { status: 'full' };
    this.#order += 1;
    row.inbox.push({ position: this.#order, input });
    const freed = record.status === 'queued' && input.kind === 'cancel';
    if (freed && slot !== undefined) this.#slots.set(slot.name, (this.#slots.get(slot.name) ?? 0) + 1);
    const held = record.status === 'running';
    if (freed || record.status === 'waiting') Object.assign(record, { status: 'ready', dueMs: nowMs });
    return { status: 'delivered', held };
  }

  #settleInto(row: Row, next: NextState, entries: readonly JournalEntry[], nowMs: number): void {
    const { record, slot } = row;
    if (next.status === 'running') return;
    record.node = undefined;
    const last = entries.at(-1);
    if (next.status === 'ended' && last?.kind === 'ended') {
      Object.assign(record, { status: last.outcome.status, endedMs: nowMs, dueMs: undefined });
      row.inbox = [];
      this.open.delete(row);
      this.#awaits = this.#awaits.filter((each) => each.execution !== record.id);
      if (slot !== undefined) this.#freeSlot(slot.name, nowMs);
      return;
    }
    const dueMs = next.status === 'waiting' ? next.dueMs : nowMs;
    const arrived = row.inbox.length > 0 && this.#planted.loseWakeUps !== true;
    const ready = arrived || (dueMs !== undefined && dueMs <= nowMs);
    Object.assign(record, { status: ready ? 'ready' : 'waiting', dueMs: arrived ? nowMs : dueMs });
  }

  #freeSlot(slot: string, nowMs: number): void {
    const used = (this.#slots.get(slot) ?? 0) - 1;
    const next = [...this.open]
      .filter((row) => row.slot?.name === slot && row.record.status === 'queued')
      .sort((a, b) => b.record.priority - a.record.priority || a.order - b.order)[0];
    if (next === undefined) {
      this.#slots.set(slot, used);
      return;
    }
    next.record.status = (next.record.dueMs ?? 0) > nowMs ? 'waiting' : 'ready';
    this.#slots.set(slot, used + 1);
  }
}
