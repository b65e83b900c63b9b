import type { AppName } from '../model/function.ts';
import type { Trigger } from '../model/trigger.ts';

/** Triggers that stand in no manifest, such as rules that AWS' clients put. */
export interface TriggerSupply {
  /** Those that are live now. */
  list(): readonly { readonly app: AppName; readonly trigger: Trigger }[];
  /** Calls `listener` after they changed. The result ends that. */
  subscribe(listener: () => void): () => void;
}
