import { LambentError } from '../base/errors.ts';
import { type FaultOwner, ownedBy, ownedByNobody } from '../base/fault-owner.ts';
import type { TriggerId } from '../model/trigger.ts';
import type { Source, SourceContext, SourceFactory } from '../ports/source.ts';

/**
 * Opens a source whose exceptions are known to be its own, those from the depths of its client as well. After the first
 * that nobody caught it stores nothing any more: its client may have lost what it was about to hand over, and would go on
 * behind that. So its position stays where it is, and whoever reads on from there misses nothing.
 */
export function openOwned(
  factory: SourceFactory,
  context: SourceContext,
  onFailed: (thrown: unknown) => void,
): Source {
  let hasFailed = false;
  const owner: FaultOwner = {
    onFault(thrown) {
      // What follows from the first says no more than the first.
      if (hasFailed) return;
      hasFailed = true;
      ownedByNobody(() => onFailed(thrown));
    },
  };
  const outside = async <Result>(act: () => Promise<Result>): Promise<Result> => {
    if (hasFailed) throw sourceFailed(context.id);
    return await ownedByNobody(act);
  };
  const { publish, secret, address, alert, isBusy } = context;
  const contained: SourceContext = {
    ...context,
    publish: (...events) => outside(() => publish(...events)),
    secret: (name) => outside(() => secret(name)),
    address: (connection) => outside(() => address(connection)),
    alert: (type, data) => outside(() => alert(type, data)),
    isBusy: () => outside(() => isBusy()),
  };
  const source = ownedBy(owner, () => factory.open(contained));
  const { runNow, remove } = source;
  return {
    status: () => source.status(),
    close: () => ownedBy(owner, () => source.close()),
    ...(runNow && { runNow: () => ownedBy(owner, () => runNow.call(source)) }),
    ...(remove && { remove: () => ownedBy(owner, () => remove.call(source)) }),
  };
}

function sourceFailed(id: TriggerId): LambentError {
  return new LambentError('E_SOURCE_FAILED', `the source of trigger ${id} failed, and is opened anew`);
}
