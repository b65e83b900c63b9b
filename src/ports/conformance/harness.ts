/** Opens an adapter over a store of its own, empty, for one test. */
export type OpenFresh<Port> = () => Promise<Fresh<Port>>;

export interface Fresh<Port> {
  readonly port: Port;
  /** Closes the adapter and opens it again over the same store, as a restart of the platform does. */
  reopen(): Promise<Port>;
  /** Closes the adapter and removes its store. */
  close(): Promise<void>;
}

/** Runs `act` on a fresh adapter and closes it whatever happens. */
export async function withFresh<Port>(
  open: OpenFresh<Port>,
  act: (port: Port, fresh: Fresh<Port>) => Promise<void>,
): Promise<void> {
  const fresh = await open();
  try {
    await act(fresh.port, fresh);
  } finally {
    await fresh.close();
  }
}
