/** Tells those who wait for work of an activity that there may be some. */
export interface ActivityBell {
  ring(activityArn: string): void;
  /** Calls `listener` at each ring. Returns how to stop. */
  listen(activityArn: string, listener: () => void): () => void;
}

export function createActivityBell(): ActivityBell {
  const listeners = new Map<string, Set<() => void>>();
  return {
    ring(arn) {
      for (const listener of [...(listeners.get(arn) ?? [])]) listener();
    },
    listen(arn, listener) {
      const set = listeners.get(arn) ?? new Set();
      listeners.set(arn, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0) listeners.delete(arn);
      };
    },
  };
}
