import { LambentError } from '../base/errors.ts';
import type { AppName } from '../model/function.ts';
import type { Instance } from './instance.ts';
import { shareOf } from './node-load.ts';

/** The instances of one version, as far as it counts here. */
interface Holder {
  readonly version: { readonly app: AppName };
  readonly instances: readonly Instance[];
  /** Those that it keeps for no reason but calls. */
  readonly dispensable: readonly Instance[];
}

/** One app may have no more of a node's instances than of its calls, over all its functions. */
export class InstanceShares {
  readonly #holders: ReadonlyMap<unknown, Holder>;
  readonly #most: number;

  constructor(holders: ReadonlyMap<unknown, Holder>, instancesMax: number) {
    this.#holders = holders;
    this.#most = shareOf(instancesMax);
  }

  mayHaveOneMore(app: AppName): boolean {
    return this.of(app).reduce((count, { instances }) => count + instances.length, 0) < this.#most;
  }

  /** Why a version without an instance cannot have one: the app's are all kept or at work. */
  refusal(app: AppName): LambentError | undefined {
    if (this.mayHaveOneMore(app)) return undefined;
    const isDispensable = ({ state, active }: Instance): boolean => state !== 'starting' && active === 0;
    if (this.of(app).some(({ dispensable }) => dispensable.some(isDispensable))) return undefined;
    return new LambentError(
      'E_OVERLOADED',
      `app ${app} has ${this.#most} instances, which is its share of this node, and all of them are at work or kept`,
      {
        retryAfterS: 1,
        hint: 'Try again a moment later, or let its functions have fewer: `maxInstances`, `minInstances`.',
      },
    );
  }

  of(app: AppName): readonly Holder[] {
    return [...this.#holders.values()].filter(({ version }) => version.app === app);
  }
}
