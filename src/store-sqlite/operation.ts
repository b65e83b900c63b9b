/**
 * The store's two threads run named operations: plain functions over a database connection. Each port's file
 * defines its own (`createAppWrites`, `createAppReads` …) beside the adapter that calls them from the main thread,
 * so that a port can be read in one place although it runs in two threads.
 */

/** A table holds functions of all sorts of parameters; `Caller` gives each its own back. */
export type Operation = (...args: never[]) => unknown;
export type OperationTable = Readonly<Record<string, Operation>>;

/** What a call costs besides its turn, for the limits of what may wait. */
export interface CallCost {
  /** Bytes that wait in memory until the call is answered. */
  readonly bytes: number;
  /** Buffers to hand over instead of copying; the caller must not use them again. */
  readonly transfer?: readonly ArrayBuffer[];
}

/** Runs an operation of one table in a store thread. Rejects with what it threw, always a `LambentError`. */
export type Caller<Table extends OperationTable> = <Name extends keyof Table & string>(
  name: Name,
  args: Parameters<Table[Name]>,
  cost?: CallCost,
) => Promise<Awaited<ReturnType<Table[Name]>>>;

/** Tables by room, as one map of `room.name` to operation. */
export function flattenOperations(
  rooms: Readonly<Record<string, OperationTable>>,
): ReadonlyMap<string, Operation> {
  const flat = new Map<string, Operation>();
  for (const [room, table] of Object.entries(rooms)) {
    for (const [name, operation] of Object.entries(table)) flat.set(`${room}.${name}`, operation);
  }
  return flat;
}
