import { LambentError } from '../../base/errors.ts';
import type { Address } from '../../model/connection.ts';
import type { Sender } from '../../ports/connection-driver.ts';
import { DEPTH_HEADER } from './broker-message.ts';
import { connectNats } from './nats-client.ts';

/** To a subject that a stream of JetStream takes: without one there is nobody who could confirm it. */
export async function openNatsSender(address: Address): Promise<Sender> {
  const { nats, lost, close } = await connectNats(address, 'lambent-send');
  const [{ headers: createHeaders }, { jetstream }] = await Promise.all([
    import('@nats-io/transport-node'),
    import('@nats-io/jetstream'),
  ]);
  const stream = jetstream(nats);
  return {
    ...{ lost, close },
    async send({ destination, id, body, contentType, headers: given, depth }) {
      const headers = createHeaders();
      for (const [name, value] of Object.entries({ ...given, 'content-type': contentType }))
        headers.set(name, value);
      headers.set(DEPTH_HEADER, String(depth));
      try {
        await Promise.race([stream.publish(destination, body, { msgID: id, headers }), lost]);
      } catch (error) {
        if (!hasNobody(error)) throw error;
        throw new LambentError('E_SEND_FAILED', `No stream confirms what is sent to ${destination}.`, {
          hint: 'Make one: nats stream add NAME --subjects SUBJECT',
        });
      }
      return { id };
    },
  };
}

/**
 * Nobody listens, or somebody does who is no stream, so that the answer does not come. The client wraps what it knows in errors
 * that know less.
 */
function hasNobody(error: unknown): boolean {
  return error instanceof Error && (/no responders|timeout/i.test(error.message) || hasNobody(error.cause));
}
