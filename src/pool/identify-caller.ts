import type { InstanceId } from '../base/ids.ts';
import type { FunctionVersion } from '../model/function.ts';
import { traceparentBelow } from '../model/trace-context.ts';
import { type CallerIdentity, NO_CHAIN } from '../ports/platform-calls.ts';
import type { RecentStreams } from './recent-streams.ts';

/**
 * Who makes a call: all of it is known here; the instance says only on which of its streams. `stream` 0: outside an
 * invocation, as while its code is loaded.
 */
export function identifyCaller(
  instance: { readonly id: InstanceId; readonly version: FunctionVersion; readonly deployment: number },
  recent: RecentStreams,
  stream: number,
  signal: AbortSignal,
): CallerIdentity {
  const { app, name, id } = instance.version;
  const invocation = recent.invocationOf(stream);
  const origin = recent.originOf(stream);
  return {
    app,
    function: name,
    version: id,
    deployment: instance.deployment,
    instance: instance.id,
    invocation,
    traceparent: invocation && traceparentBelow(origin?.traceparent, invocation),
    chain: origin?.chain ?? NO_CHAIN,
    signal,
  };
}
